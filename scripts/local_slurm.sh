#!/usr/bin/env bash
# A Slurm of one node on this machine, for the tests marked slurm: as root on Debian or Ubuntu.
# Does nothing where one answers already; fails where it cannot be had.
set -euo pipefail
answers() { timeout 5 sinfo -h -o %t 2>/dev/null | grep -qE 'idle|mix|alloc'; }
answers && exit 0
[ "$(id -u)" = 0 ] || exit 1
command -v slurmctld >/dev/null || scripts/apt_install.sh slurm-wlm munge
state=$(mktemp -d /tmp/local-slurm.XXXXXX)
mkdir -p /run/munge "$state/control" "$state/node" /etc/slurm
[ -f /etc/munge/munge.key ] || (umask 077; head -c 1024 /dev/urandom >/etc/munge/munge.key)
chown -R munge:munge /etc/munge /run/munge
pgrep -x munged >/dev/null || runuser -u munge -- /usr/sbin/munged
name=$(hostname -s)
cat >/etc/slurm/slurm.conf <<END
ClusterName=here
SlurmctldHost=$name
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$state/control
SlurmdSpoolDir=$state/node
SlurmctldPidFile=$state/control.pid
SlurmdPidFile=$state/node.pid
SlurmctldLogFile=$state/control.log
SlurmdLogFile=$state/node.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName=$name CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1280)}' /proc/meminfo) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
slurmctld
slurmd
for _ in $(seq 40); do
  answers && exit 0
  sleep 0.5
done
exit 1
