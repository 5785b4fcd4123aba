#!/usr/bin/env bash
# A Slurm cluster of this machine alone, for tests. Needs root and Debian's packages slurm-wlm and munge. This machine is
# the node of the partition main, whose jobs those of the partition urgent cancel, and the nodes left and right of the
# partition two.
#
#   cluster.sh FOLDER          start it, with its state in FOLDER
#   cluster.sh --down FOLDER   stop it
set -euo pipefail

down() {
    for pid in "$1"/slurmd-*.pid "$1"/{slurmctld,munged}.pid; do
        [[ -s $pid ]] && kill "$(cat "$pid")" 2> /dev/null || true
    done
}

if [[ $1 == --down ]]; then
    down "$2"
    exit
fi
if [[ -e /etc/slurm/slurm.conf ]] && ! grep -q '^ClusterName=test$' /etc/slurm/slurm.conf; then
    echo "/etc/slurm/slurm.conf belongs to another cluster" >&2
    exit 1
fi
if scontrol ping &> /dev/null; then
    echo "a cluster already runs" >&2
    exit 1
fi
mkdir -p "$1"/{control,log} /etc/slurm /run/munge
folder=$(realpath "$1")
host=$(hostname -s)
chmod 755 /run/munge
chown root /run/munge
(umask 077 && head -c 1024 /dev/urandom > "$folder/munge.key")
munged --key-file "$folder/munge.key" --pid-file "$folder/munged.pid" --log-file "$folder/log/munged.log" \
    --seed-file "$folder/munged.seed" --force
# The scheduler looks every second; the default of a minute would make tests slow.
cat > /etc/slurm/slurm.conf << CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/control
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=2000 State=UNKNOWN
NodeName=left NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=1 RealMemory=1000 State=UNKNOWN
NodeName=right NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=1 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES State=UP
PartitionName=urgent Nodes=$host State=UP PriorityTier=2
PartitionName=two Nodes=left,right State=UP
CONF
slurmctld
for node in "$host" left right; do
    slurmd -N "$node"
done
for _ in {1..100}; do
    [[ $(sinfo --noheader --Node --format=%T 2> /dev/null | sort --unique) == idle ]] && exit
    sleep 0.2
done
down "$folder"
echo "the nodes do not become idle; see $folder/log" >&2
exit 1
