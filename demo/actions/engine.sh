# Launch Privileged Container
contain --privileged -- true
# Launch Sensitive Mount Container
contain -v /etc:/mnt:ro -- true
# Debugfs Launched in Privileged Container
contain --privileged -- sh -c 'cp /bin/busybox /tmp/debugfs; /tmp/debugfs'
# Mount Launched in Privileged Container
contain --privileged -- mount -t tmpfs none /mnt
# Privileged Container Device Access
contain --privileged -- sh -c ': >/dev/sdact'
# Network Connection outside Local Subnet
contain --cap-add=NET_ADMIN -l io.kubernetes.pod.namespace=restricted -- sh -c 'ip addr add 203.0.113.9/32 dev lo; nc -l -p 80 & sleep 0.2; echo | nc 203.0.113.9 80'
