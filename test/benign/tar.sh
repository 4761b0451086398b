# Directories are packed, copied, searched and unpacked, as backups do.
tar -cf backup.tar -C /usr/share doc/dpkg doc/tar 2>/dev/null || tar -cf backup.tar -C /usr/share locale/en 2>/dev/null || tar -cf backup.tar -C /etc default
gzip -k backup.tar
mkdir restored
tar -xzf backup.tar.gz -C restored
find restored -type f -exec sha256sum {} + >sums
sort sums | head -3
grep -rl copyright restored | wc -l
du -s restored
rm -rf restored
