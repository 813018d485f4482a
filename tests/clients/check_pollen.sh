#!/bin/sh
# Runs check_pollen against a service on port 443, in a namespace of its own.
# Usage: check_pollen.sh LAVAWALL ROOT FOLDER
set -eu
lavawall=$1 root=$2 folder=$3

ip link set lo up
mount -t tmpfs none /var/log
mkdir /var/log/pollen
"$lavawall" serve --config "$folder/lavawall.toml" --state-dir "$folder/state" \
    --ready-file "$folder/ready" 2> "$folder/log" &
trap 'kill $!; wait $! || true' EXIT
# The token of the administrator is made with the first seed.
waited=0
while [ ! -e "$folder/ready" ] || [ ! -e "$folder/state/admin.token" ]; do
    waited=$((waited + 1))
    [ "$waited" -lt 600 ] || { cat "$folder/log"; exit 1; }
    sleep 0.1
done
PATH="$root/usr/bin:$PATH" "$root/usr/lib/nagios/plugins/check_pollen"
