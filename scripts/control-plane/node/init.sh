# Process 1 of the node, in namespaces of its own (pid, mount, uts, ipc, network). $NODE is its folder, $PLANE that of the control plane, $BINARIES
# that of kubelet and kube-proxy; the rest comes from node/addresses.ts.
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
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns /var/lib/kubelet "$NODE/kubelet" "$NODE/log" "$NODE/sysctl"
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
containerd --config "$NODE/containerd.toml" > "$NODE/containerd.log" 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.05; done
"$BINARIES/kubelet" --config="$NODE/kubelet.json" --kubeconfig="$PLANE/kubelet.kubeconfig" \
  --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS" --root-dir=/var/lib/kubelet --v=2 > "$NODE/kubelet.log" 2>&1 &
"$BINARIES/kube-proxy" --config="$NODE/kube-proxy.json" > "$NODE/kube-proxy.log" 2>&1 &
# Reaps, as an init does, until one of the three ends: then all of the node does.
wait -n
