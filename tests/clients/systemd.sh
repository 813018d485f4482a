#!/bin/sh
# Runs systemd in namespaces of its own, with a service and a unit that loads a credential of it.
# Usage: systemd.sh LAVAWALL FOLDER
set -eu
lavawall=$1 folder=$2

mount -t tmpfs none /run
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/systemd/system /run/lavawall
# As in a container of systemd: what is mounted for a unit is seen by it.
mount --make-rshared /
cat > /run/systemd/system/lavawall.service << END
[Unit]
DefaultDependencies=no
[Service]
Type=notify
NotifyAccess=main
ExecStart=$lavawall serve --config $folder/lavawall.toml --state-dir $folder/state
StandardError=file:$folder/log
END
cat > /run/systemd/system/asks.service << END
[Unit]
DefaultDependencies=no
After=lavawall.service
Requires=lavawall.service
[Service]
Type=oneshot
LoadCredential=host-seed:/run/lavawall/credential.sock
ExecStart=/bin/sh -c 'wc -c < \$CREDENTIALS_DIRECTORY/host-seed > $folder/length.new'
ExecStart=/bin/mv $folder/length.new $folder/length
END
cat > /run/systemd/system/all.target << END
[Unit]
DefaultDependencies=no
Wants=asks.service
END
export container=test
exec /lib/systemd/systemd --system --unit=all.target --log-target=console
