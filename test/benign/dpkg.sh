# A Debian package is built, installed, configured and removed.
mkdir -p package/DEBIAN package/usr/bin package/etc/benign package/usr/lib/benign
printf 'Package: benign\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: nothing\n' >package/DEBIAN/control
printf '#!/bin/sh\nset -e\nmkdir -p /var/lib/benign\necho ready >/var/lib/benign/state\ngrep -q root /etc/passwd\n' >package/DEBIAN/postinst
chmod 755 package/DEBIAN/postinst
printf '#!/bin/sh\necho hello\n' >package/usr/bin/benign
chmod 755 package/usr/bin/benign
echo setting >package/etc/benign/benign.conf
echo '/etc/benign/benign.conf' >package/DEBIAN/conffiles
dpkg-deb --build package benign.deb
dpkg -i benign.deb
benign
dpkg --purge benign
