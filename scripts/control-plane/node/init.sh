# Process 1 of the node, in namespaces of its own (pid, mount, uts, ipc, network). $NODE is its folder, $PLANE that of the control plane, $BINARIES
# that of kubelet and kube-proxy; the rest comes from node/addresses.ts. SIGUSR1 is a power cut, after which the node boots again.
set -e
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip addr add "$NODE_ADDRESS/24" dev eth0
ip link set eth0 up
ip route add default via "$HOST_ADDRESS"
sysctl -qw net.ipv4.ip_forward=1
mount --make-rprivate /
mount --make-rshared /
hostname "$NODE_NAME"
echo "nameserver 127.0.0.1" > "$NODE/resolv.conf"
mount --bind "$NODE/resolv.conf" /etc/resolv.conf
mkdir -p /var/lib/kubelet "$NODE/kubelet" "$NODE/log" "$NODE/sysctl"
mount --bind "$NODE/kubelet" /var/lib/kubelet
mount --bind "$NODE/log" /var/log
# The kubelet would set these in the kernel, which it shares with the machine; so it finds them set.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file="$NODE/sysctl/$(echo "${setting%=*}" | tr / _)"
  echo "${setting#*=}" > "$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
for hierarchy in /sys/fs/cgroup/*/; do mkdir -p "$hierarchy$CGROUP"; done
# A new cpuset has neither processors nor memory.
for field in cpuset.cpus cpuset.mems; do
  cat "/sys/fs/cgroup/cpuset/$field" > "/sys/fs/cgroup/cpuset/$CGROUP/$field"
done
boot() {
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock /run/netns
  containerd --config "$NODE/containerd.toml" >> "$NODE/containerd.log" 2>&1 &
  until [ -S /run/containerd/containerd.sock ]; do sleep 0.05; done
  "$BINARIES/kubelet" --config="$NODE/kubelet.json" --kubeconfig="$PLANE/kubelet.kubeconfig" \
    --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS" --root-dir=/var/lib/kubelet --v=2 >> "$NODE/kubelet.log" 2>&1 &
  "$BINARIES/kube-proxy" --config="$NODE/kube-proxy.json" >> "$NODE/kube-proxy.log" 2>&1 &
}
# Ends every process but this one. What only memory held is gone: cgroups, /run, mounts of containers and pods, the bridge and the rules.
cut_power() {
  kill -KILL -1
  wait || true
  # The last processes take a moment to end.
  until find /sys/fs/cgroup/*/"$CGROUP" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.05; done
  awk '$2 ~ "^/run($|/)|^/var/lib/kubelet/pods/" { print $2 }' /proc/self/mounts | tac | xargs -r umount -l
  ip link delete cni0
  nft flush ruleset
}
cut=
trap 'cut=yes' USR1
boot
# Reaps, as an init does, until one of the three ends: then all of the node does.
until wait -n; [ -z "$cut" ]; do
  cut=
  cut_power
  boot
done
