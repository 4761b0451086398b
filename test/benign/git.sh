# A repository is made, cloned, changed, merged and packed.
git config --global user.name Builder
git config --global user.email builder@example.org
git config --global init.defaultBranch main
git init -q origin
cd origin
for i in 1 2 3 4 5 6 7 8; do echo "$i" >"file-$i"; git add .; git commit -qm "change $i"; done
cd ..
git daemon --listen=127.0.0.1 --port=54418 --base-path=/home/builder --export-all --pid-file=/home/builder/git.pid --detach
until_true test -s git.pid
git clone -q git://127.0.0.1:54418/origin copy
git clone -q "file:///home/builder/origin" another
kill "$(cat git.pid)"
cd copy
git switch -qc topic
echo more >>file-1
git commit -qam more
git switch -q main
git merge -q topic
git gc -q
git archive HEAD | tar -x -C /home/builder/origin
