# Packages of a repository are listed, downloaded, installed, upgraded and removed by apt.
pack() {
  mkdir -p "package/DEBIAN" package/usr/bin package/etc/benign
  printf 'Package: benign\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: nothing\n' "$1" >package/DEBIAN/control
  printf '#!/bin/sh\nset -e\nmkdir -p /var/lib/benign\necho %s >/var/lib/benign/state\nldconfig\n' "$1" >package/DEBIAN/postinst
  chmod 755 package/DEBIAN/postinst
  printf '#!/bin/sh\necho hello\n' >package/usr/bin/benign
  chmod 755 package/usr/bin/benign
  echo setting >package/etc/benign/benign.conf
  echo '/etc/benign/benign.conf' >package/DEBIAN/conffiles
  mkdir -p repository
  dpkg-deb --build package "repository/benign_$1_all.deb"
  for deb in repository/*.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${deb#*/}" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done >repository/Packages
}
chmod 755 /home/builder
echo 'deb [trusted=yes] file:/home/builder/repository ./' >sources.list
mkdir -p lists/partial
apt() { DEBIAN_FRONTEND=noninteractive apt-get -y -o Dir::Etc::sourcelist=/home/builder/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=/home/builder/lists "$@"; }
pack 1
apt update
apt install benign
benign
pack 2
apt update
apt upgrade benign
apt download benign
apt-cache -o Dir::Etc::sourcelist=/home/builder/sources.list -o Dir::State::lists=/home/builder/lists policy benign
apt purge benign
apt clean
