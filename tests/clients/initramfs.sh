#!/bin/sh
# Runs the hook of initramfs-tools in a namespace of its own, and what it put into the image.
# Usage: initramfs.sh LAVAWALL ROOT HOOK
set -eu
lavawall=$1 root=$2 hook=$3

work=$(mktemp -d)
mount -t tmpfs none "$work"
for folder in etc usr; do
    mkdir "$work/$folder" "$work/$folder-work"
    mount -t overlay -o "lowerdir=/$folder,upperdir=$work/$folder,workdir=$work/$folder-work" none "/$folder"
done
mkdir -p /etc/lavawall /usr/local/bin /usr/share/initramfs-tools
cp -r "$root/usr/share/initramfs-tools/." /usr/share/initramfs-tools/
cp "$lavawall" /usr/local/bin/lavawall
echo authority > /etc/lavawall/a.pem
echo token > /etc/lavawall/a.token
ln -s a.token /etc/lavawall/link
head -c 32 /dev/urandom > /etc/lavawall/secret
chmod 600 /etc/lavawall/secret
cat > /etc/lavawall/seeds.toml << 'END'
secret-file = "/etc/lavawall/secret"
timeout-seconds = 1
[[server]]
name = "a"
url = "http://127.0.0.1:1"
identity = "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
ca-file = '/etc/lavawall/a.pem'
  token-file = "/etc/lavawall/link"   # a comment
END

export DESTDIR="$work/image" verbose=n
mkdir "$DESTDIR"
# As mkinitramfs does.
for folder in bin lib lib32 lib64 sbin; do
    ln -s "usr/$folder" "$DESTDIR/$folder"
done
umask 0022
if "$hook" 2> "$work/refused"; then
    echo "an image that all may read was made"
    exit 1
fi
grep -q 'UMASK must be 0077 (got 0022)' "$work/refused"
umask 0077
"$hook"
cd "$DESTDIR"
for file in seeds.toml a.pem link secret; do
    cmp "/etc/lavawall/$file" "etc/lavawall/$file"
done
[ "$(stat -c %a etc/lavawall/link)" = 600 ]
# It has all that the program needs. No service answers; nothing but the program and its files is there.
mkdir dev
touch dev/urandom
mount --bind /dev/urandom dev/urandom
code=0
chroot . /usr/bin/lavawall seed --servers /etc/lavawall/seeds.toml --to - > "$work/out" 2> "$work/err" || code=$?
cat "$work/err"
[ "$code" = 69 ] && [ ! -s "$work/out" ]
