import { describe, expect, test } from 'vitest';
import { CgroupMemo, containerOfCgroups, shortContainerId } from './containers.ts';

const A = '0123456789abcdef'.repeat(4);
const B = 'fedcba9876543210'.repeat(4);
const UID = '3a1b2c3d-1111-4222-8333-444455556666';

describe('the container of a process by its control groups', () => {
  test.each([
    ['Docker, v1', `cpuset=/docker/${A}\0`, A, ''],
    ['Docker by systemd, v2', `cgroup=/system.slice/docker-${A}.scope\0`, A, ''],
    ['Docker in Docker: the inner one', `cpu=/docker/${A}/docker/${B}\0`, B, ''],
    ['Podman', `memory=/libpod_parent/libpod-${A}\0`, A, ''],
    ['Podman by systemd', `cgroup=/machine.slice/libpod-${A}.scope/container\0`, A, ''],
    ['Podman of a user', `cgroup=/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${A}.scope\0`, A, ''],
    ['containerd below the kubelet', `cpu=/kubepods/burstable/pod${UID}/${A}\0`, A, ''],
    [
      'containerd by systemd',
      `cgroup=/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${A}.scope\0`,
      A,
      '',
    ],
    ['containerd with the runtime’s name first', `cpu=/system.slice/containerd.service/x:cri-containerd:${A}\0`, A, ''],
    ['CRI-O', `cgroup=/kubepods.slice/kubepods-burstable.slice/crio-${A}.scope\0`, A, ''],
    ['CRI-O, v1', `pids=/kubepods/besteffort/pod${UID}/crio-${A}\0`, A, ''],
    ['the monitor of CRI-O is on the host', `cgroup=/system.slice/crio-conmon-${A}.scope\0`, '', ''],
    ['the monitor of Podman is on the host', `cgroup=/machine.slice/libpod-conmon-${A}.scope\0`, '', ''],
    ['LXC', 'cpu=/lxc.payload.web\0', 'web', 'lxc'],
    ['LXC before 4', 'cpu=/lxc/web/init.scope\0', 'web', 'lxc'],
    ['LXC of libvirt', 'cpu=/machine.slice/machine-lxc\\x2d4711\\x2dweb.scope\0', 'web', 'libvirt_lxc'],
    ['hybrid: the first hierarchy that says it', `cpuset=/\0cpu=/docker/${A}\0name=systemd=/docker/${A}\0`, A, ''],
    ['the host', 'cpu=/\0cgroup=/init.scope\0', '', ''],
    ['a service with digits', 'cgroup=/system.slice/backup-0123456789abcdef.service\0', '', ''],
    ['nothing', '', '', ''],
  ])('%s', (_, cgroups, fullId, engine) => {
    expect(containerOfCgroups(cgroups)).toEqual({ fullId, engine });
  });

  test('ids of engines are shown by their first twelve digits, names as they are', () => {
    expect([shortContainerId(A), shortContainerId('web')]).toEqual(['0123456789ab', 'web']);
  });
});

test('the pod of a process: by its uid, however it is written; static pods have one of 32 digits', () => {
  const memo = new CgroupMemo();
  const pod = (path: string): string => memo.pod(`cpu=${path}\0`);
  expect(pod(`/kubepods/burstable/pod${UID}/${A}`)).toBe(UID);
  expect(pod(`/kubepods.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice/crio-${A}.scope`)).toBe(UID);
  expect(pod(`/kubepods/pod${A.slice(0, 32)}/${A}`)).toBe(A.slice(0, 32));
  expect(pod(`/docker/${A}`)).toBe('');
});
