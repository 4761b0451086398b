/*
 * A workload for the tests of the live source: `workload FAMILY DIRECTORY` does a fixed series of system calls in an
 * empty directory. Only what lies between the two marks (close(-1000)) counts, so that start-up does not.
 *
 * Static and without dependencies: it also runs in the virtual machines.
 *   gcc -static -O1 -o workload workload.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define call(...) syscall(__VA_ARGS__)

static void mark(void)
{
	call(SYS_close, -1000);
}

static char path_buffer[8192];

/* DIRECTORY/name */
static const char *at(const char *name)
{
	static char buffers[4][4096];
	static int next;
	char *buffer = buffers[next++ & 3];

	snprintf(buffer, 4096, "%.3000s/%s", path_buffer, name);
	return buffer;
}

static void touch(const char *name)
{
	close(open(at(name), O_CREAT | O_WRONLY, 0644));
}

static char *self_path;

/* -- families ---------------------------------------------------------------------------------------- */

static void do_open(void)
{
	struct {
		unsigned long long flags, mode, resolve;
	} how = { O_RDONLY | O_CLOEXEC, 0, 4 };
	int fd, dir;

	touch("file");
	symlink("file", at("link"));
	mkdir(at("sub"), 0755);
	dir = open(path_buffer, O_RDONLY | O_DIRECTORY);
	mark();
	fd = call(SYS_open, at("file"), O_RDONLY, 0);
	call(SYS_close, fd);
	fd = call(SYS_open, at("new"), O_CREAT | O_EXCL | O_WRONLY, 0600);
	call(SYS_close, fd);
	fd = call(SYS_creat, at("created"), 0640);
	call(SYS_close, fd);
	fd = call(SYS_openat, AT_FDCWD, at("link"), O_RDWR | O_APPEND | O_NONBLOCK, 0);
	call(SYS_close, fd);
	fd = call(SYS_openat, AT_FDCWD, at("sub/../link"), O_RDONLY, 0);
	call(SYS_close, fd);
	fd = call(SYS_openat, dir, "file", O_RDWR | O_TRUNC, 0);
	call(SYS_close, fd);
	fd = call(SYS_openat2, dir, "file", &how, sizeof(how));
	call(SYS_close, fd);
	fd = call(SYS_openat, AT_FDCWD, "sub/../file", O_RDONLY, 0); /* the working directory is DIRECTORY */
	call(SYS_close, fd);
	call(SYS_openat, AT_FDCWD, at("missing"), O_RDONLY, 0);
	call(SYS_openat, AT_FDCWD, NULL, O_RDONLY, 0);
	fd = call(SYS_openat, AT_FDCWD, path_buffer, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	call(SYS_close, fd);
	fd = call(SYS_openat, AT_FDCWD, "/", O_PATH, 0);
	call(SYS_close, fd);
	fd = call(SYS_openat, AT_FDCWD, path_buffer, O_TMPFILE | O_RDWR, 0600);
	call(SYS_close_range, fd, fd, 0);
	mark();
}

/* Deleted files, files in memory. */
static void do_deleted(void)
{
	char self[64];
	int fd, again;

	mark();
	fd = call(SYS_openat, AT_FDCWD, at("gone"), O_CREAT | O_RDWR, 0600);
	call(SYS_unlink, at("gone"));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = call(SYS_openat, AT_FDCWD, self, O_RDONLY, 0);
	call(SYS_close, again);
	call(SYS_close, fd);
	fd = call(SYS_memfd_create, "secret", MFD_CLOEXEC);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = call(SYS_openat, AT_FDCWD, self, O_RDONLY, 0);
	call(SYS_close, again);
	call(SYS_close, fd);
	mark();
}

/* A mount namespace of its own: a file system on top of a directory, and a bind mount of it elsewhere. */
static void do_mounts(void)
{
	int fd;

	mkdir(at("a"), 0755);
	mkdir(at("b"), 0755);
	mark();
	call(SYS_unshare, CLONE_NEWNS);
	call(SYS_mount, "none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	call(SYS_mount, "windhover", at("a"), "tmpfs", MS_NOSUID | MS_NODEV, NULL);
	call(SYS_mkdir, at("a/deep"), 0755);
	fd = call(SYS_openat, AT_FDCWD, at("a/deep/file"), O_CREAT | O_WRONLY, 0644);
	call(SYS_close, fd);
	call(SYS_mount, at("a/deep"), at("b"), NULL, MS_BIND, NULL);
	fd = call(SYS_openat, AT_FDCWD, at("b/file"), O_RDONLY, 0);
	call(SYS_close, fd);
	fd = call(SYS_openat, AT_FDCWD, at("b/../a/deep/file"), O_RDONLY, 0);
	call(SYS_close, fd);
	call(SYS_umount2, at("b"), MNT_DETACH);
	call(SYS_umount2, at("missing"), 0);
	call(SYS_chroot, at("a"));
	fd = call(SYS_openat, AT_FDCWD, "/deep/file", O_RDONLY, 0);
	call(SYS_close, fd);
	call(SYS_chdir, "/deep");
	fd = call(SYS_openat, AT_FDCWD, "file", O_RDONLY, 0);
	call(SYS_close, fd);
	mark();
}

static void do_paths(void)
{
	int dir = open(path_buffer, O_RDONLY | O_DIRECTORY), fd;

	touch("f");
	mark();
	call(SYS_mkdir, at("d"), 0750);
	call(SYS_mkdirat, dir, "e", 0700);
	call(SYS_mkdir, "relative", 0755);
	call(SYS_rename, at("f"), at("g"));
	call(SYS_renameat, dir, "g", AT_FDCWD, "h");
	call(SYS_renameat2, dir, "h", dir, "i", 1);
	call(SYS_rename, at("missing"), at("x"));
	call(SYS_link, at("i"), at("j"));
	call(SYS_linkat, dir, "i", dir, "k", AT_SYMLINK_FOLLOW);
	call(SYS_symlink, "/etc/passwd", at("l"));
	call(SYS_symlinkat, "target", dir, "m");
	call(SYS_chmod, at("i"), 04755);
	fd = open(at("i"), O_RDONLY);
	call(SYS_fchmod, fd, 0600);
	call(SYS_fchown, fd, 1, 2);
	call(SYS_close, fd);
	call(SYS_fchmodat, dir, "i", 0644);
	call(SYS_chown, at("i"), 0, 0);
	call(SYS_lchown, at("l"), 3, 4);
	call(SYS_fchownat, dir, "l", 5, 6, AT_SYMLINK_NOFOLLOW);
	call(SYS_mknod, at("fifo"), S_IFIFO | 0600, 0);
	call(SYS_mknodat, dir, "fifo2", S_IFIFO | 0640, 0);
	call(SYS_access, at("i"), R_OK);
	call(SYS_chdir, at("d"));
	call(SYS_unlink, "../i");
	call(SYS_fchdir, dir);
	call(SYS_unlinkat, dir, "j", 0);
	call(SYS_unlinkat, dir, "e", AT_REMOVEDIR);
	call(SYS_rmdir, at("d"));
	call(SYS_rmdir, at("missing"));
	mark();
}

static void do_descriptors(void)
{
	unsigned long set = 1 << (SIGUSR1 - 1);
	int pipes[2], fd, copy, pid;

	mark();
	call(SYS_pipe, pipes);
	call(SYS_dup, pipes[0]);
	call(SYS_dup2, pipes[0], 50);
	call(SYS_dup3, pipes[1], 51, O_CLOEXEC);
	call(SYS_fcntl, pipes[0], F_DUPFD, 60);
	call(SYS_fcntl, pipes[0], F_DUPFD_CLOEXEC, 60);
	call(SYS_fcntl, pipes[0], F_GETFD, 0);
	call(SYS_fcntl, pipes[0], F_SETFD, FD_CLOEXEC);
	call(SYS_fcntl, 999, F_GETFL, 0);
	call(SYS_close_range, 50, 70, 0);
	call(SYS_pipe2, pipes, O_CLOEXEC | O_NONBLOCK);
	call(SYS_eventfd, 7);
	call(SYS_eventfd2, 9, O_NONBLOCK);
	call(SYS_epoll_create, 5);
	call(SYS_epoll_create1, O_CLOEXEC);
	call(SYS_inotify_init);
	call(SYS_inotify_init1, O_NONBLOCK);
	call(SYS_timerfd_create, 1, 0);
	call(SYS_signalfd, -1, &set, 8);
	fd = call(SYS_signalfd4, -1, &set, 8, O_CLOEXEC);
	call(SYS_memfd_create, "in memory", MFD_ALLOW_SEALING);
	pid = call(SYS_pidfd_open, getpid(), 0);
	copy = call(SYS_pidfd_getfd, pid, fd, 0);
	call(SYS_close, copy);
	call(SYS_dup, 12345);
	mark();
}

static void loopback(struct sockaddr_in *address, int port)
{
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void do_network(void)
{
	struct sockaddr_in server, closed, other;
	struct sockaddr_un un = { AF_UNIX, "" };
	struct iovec iov[2] = { { "hello ", 6 }, { "world", 5 } };
	struct msghdr message = { 0 };
	struct mmsghdr many[2];
	struct pollfd arrival = { -1, POLLIN };
	socklen_t length = sizeof(server);
	char buffer[256];
	int listener, client, peer, udp, udp2, pair[2], error = 0, one = 1, un_listener, un_client, tmp;

	loopback(&server, 0);
	mark();
	listener = call(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	call(SYS_setsockopt, listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	call(SYS_bind, listener, &server, sizeof(server));
	call(SYS_listen, listener, 5);
	getsockname(listener, (void *)&server, &length);
	client = call(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	call(SYS_connect, client, &server, sizeof(server));
	peer = call(SYS_accept4, listener, NULL, NULL, SOCK_NONBLOCK);
	call(SYS_sendto, client, "request", 7, 0, NULL, 0);
	/* the peer does not block, and what was sent may still be on its way */
	arrival.fd = peer;
	call(SYS_ppoll, &arrival, 1, NULL, NULL, 0);
	call(SYS_recvfrom, peer, buffer, sizeof(buffer), 0, NULL, NULL);
	call(SYS_recvfrom, peer, buffer, sizeof(buffer), 0, NULL, NULL);
	message.msg_iov = iov;
	message.msg_iovlen = 2;
	call(SYS_sendmsg, peer, &message, 0);
	iov[0].iov_base = buffer;
	iov[0].iov_len = sizeof(buffer);
	message.msg_iovlen = 1;
	call(SYS_recvmsg, client, &message, 0);
	length = sizeof(error);
	call(SYS_getsockopt, client, SOL_SOCKET, SO_ERROR, &error, &length);
	call(SYS_shutdown, client, SHUT_WR);
	call(SYS_close, client);
	/* nobody listens there */
	tmp = socket(AF_INET, SOCK_STREAM, 0);
	loopback(&closed, 0);
	bind(tmp, (void *)&closed, sizeof(closed));
	length = sizeof(closed);
	getsockname(tmp, (void *)&closed, &length);
	client = call(SYS_socket, AF_INET, SOCK_STREAM, 0);
	call(SYS_connect, client, &closed, sizeof(closed));
	/* datagrams without connect */
	udp = call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
	loopback(&other, 0);
	call(SYS_bind, udp, &other, sizeof(other));
	length = sizeof(other);
	getsockname(udp, (void *)&other, &length);
	udp2 = call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
	call(SYS_sendto, udp2, "datagram", 8, 0, &other, sizeof(other));
	length = sizeof(server);
	call(SYS_recvfrom, udp, buffer, sizeof(buffer), 0, &server, &length);
	memset(many, 0, sizeof(many));
	iov[0].iov_base = "first";
	iov[0].iov_len = 5;
	iov[1].iov_base = "second";
	iov[1].iov_len = 6;
	for (int i = 0; i < 2; i++) {
		many[i].msg_hdr.msg_name = &other;
		many[i].msg_hdr.msg_namelen = sizeof(other);
		many[i].msg_hdr.msg_iov = &iov[i];
		many[i].msg_hdr.msg_iovlen = 1;
	}
	call(SYS_sendmmsg, udp2, many, 2, 0);
	call(SYS_connect, udp2, &other, sizeof(other));
	/* unix sockets: a path, an abstract name, a pair */
	un_listener = call(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	strcpy(un.sun_path, "sock");
	call(SYS_bind, un_listener, &un, sizeof(un));
	call(SYS_listen, un_listener, 1);
	un_client = call(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	call(SYS_connect, un_client, &un, sizeof(un));
	peer = call(SYS_accept, un_listener, NULL, NULL);
	call(SYS_sendto, un_client, "over unix", 9, 0, NULL, 0);
	tmp = call(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
	memcpy(un.sun_path, "\0windhover-abstract", 20);
	call(SYS_bind, tmp, &un, offsetof(struct sockaddr_un, sun_path) + 19);
	strcpy(un.sun_path, "/nonexistent/socket");
	call(SYS_connect, tmp, &un, sizeof(un));
	call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
	call(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	call(SYS_socket, 99, SOCK_RAW, 0);
	mark();
}

static int thread_done(void *unused)
{
	(void)unused;
	syscall(SYS_exit, 0);
	return 0;
}

static char stack[65536] __attribute__((aligned(16)));

static void do_processes(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	char *const none[] = { NULL }, *const arguments[] = { "first", "second argument", "", "last", NULL };
	char *const env[] = { "KEY=value", "OTHER=1", NULL };
	int pid, fd;

	fd = open(at("script"), O_CREAT | O_WRONLY, 0755);
	dprintf(fd, "#!%s quiet\n", self_path);
	close(fd);
	symlink(self_path, at("alias"));
	mark();
	pid = call(SYS_fork);
	if (pid == 0)
		call(SYS_exit_group, 3);
	waitpid(pid, NULL, 0);
	pid = call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		call(SYS_kill, getpid(), SIGKILL);
	waitpid(pid, NULL, 0);
	pid = call(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		call(SYS_exit_group, 0);
	waitpid(pid, NULL, 0);
	pid = clone(thread_done, stack + sizeof(stack), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL);
	usleep(20000);
	pid = vfork();
	if (pid == 0) {
		execve(at("alias"), (char *[]){ "renamed", "quiet", "x y", NULL }, env);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	pid = call(SYS_fork);
	if (pid == 0) {
		execve(at("script"), (char *[]){ "script", "argument", NULL }, env);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	call(SYS_execve, at("missing"), arguments, env);
	call(SYS_execve, at("missing"), none, NULL);
	call(SYS_execveat, AT_FDCWD, "missing", arguments, env, 0);
	call(SYS_setpgid, 0, 0);
	call(SYS_prctl, PR_SET_NAME, "another name", 0, 0, 0);
	call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = call(SYS_fork);
	if (pid == 0) {
		call(SYS_setsid);
		/* an orphan, for the subreaper */
		if (call(SYS_fork) == 0) {
			usleep(50000);
			call(SYS_exit_group, 0);
		}
		call(SYS_exit_group, 0);
	}
	waitpid(pid, NULL, 0);
	wait(NULL);
	mark();
}

/* Execution of a file that has no name, of one that was deleted, and with very long arguments. */
static void do_images(void)
{
	static char copy[4 << 20], long_argument[6000];
	char *const env[] = { "KEY=value", NULL };
	int source = open(self_path, O_RDONLY), size = read(source, copy, sizeof(copy)), fd, pid;

	memset(long_argument, 'a', sizeof(long_argument) - 1);
	fd = open(at("deleted"), O_CREAT | O_WRONLY, 0755);
	write(fd, copy, size);
	close(fd);
	mark();
	fd = call(SYS_memfd_create, "image", MFD_CLOEXEC);
	for (int done = 0; done < size;)
		done += write(fd, copy + done, size - done);
	pid = call(SYS_fork);
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", (char *[]){ "in memory", "quiet", NULL }, env, AT_EMPTY_PATH);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	call(SYS_close, fd);
	fd = call(SYS_openat, AT_FDCWD, at("deleted"), O_RDONLY | O_CLOEXEC, 0);
	call(SYS_unlink, at("deleted"));
	pid = call(SYS_fork);
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", (char *[]){ "deleted", "quiet", NULL }, env, AT_EMPTY_PATH);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	call(SYS_close, fd);
	pid = call(SYS_fork);
	if (pid == 0) {
		execve(self_path, (char *[]){ "long", "quiet", long_argument, NULL }, env);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	mark();
}

static void do_identity(void)
{
	struct {
		unsigned version;
		int pid;
	} header = { 0x20080522, 0 };
	unsigned data[6] = { 0 };
	int ns = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	mark();
	call(SYS_unshare, CLONE_NEWUTS);
	call(SYS_setns, ns, CLONE_NEWUTS);
	call(SYS_setns, -1, 0);
	call(SYS_setresgid, -1, 7, -1);
	call(SYS_setregid, -1, 0);
	call(SYS_setgid, 0);
	call(SYS_setresuid, -1, 5, -1);
	call(SYS_setreuid, -1, 0);
	call(SYS_getuid);
	call(SYS_getegid);
	call(SYS_setuid, 0);
	call(SYS_capset, &header, data);
	call(SYS_setuid, 12);
	call(SYS_unshare, CLONE_NEWNET);
	mark();
}

static void do_data(void)
{
	static char big[1000];
	struct iovec iov[2] = { { "ab", 2 }, { "cdef", 4 } }, in[2];
	char buffer[256], second[256];
	long long offset = 0;
	int fd, other, pipes[2];

	memset(big, 'b', sizeof(big));
	mark();
	fd = call(SYS_openat, AT_FDCWD, at("data"), O_CREAT | O_RDWR, 0644);
	other = call(SYS_openat, AT_FDCWD, at("copy"), O_CREAT | O_RDWR, 0644);
	call(SYS_write, fd, "hello", 5);
	call(SYS_write, fd, big, sizeof(big));
	call(SYS_pwrite64, fd, "HE", 2, 0LL);
	call(SYS_writev, fd, iov, 2);
	call(SYS_pwritev, fd, iov, 2, 10L, 0L);
	call(SYS_pread64, fd, buffer, 5, 0LL);
	call(SYS_lseek, fd, 0, SEEK_SET);
	call(SYS_read, fd, buffer, 100);
	in[0].iov_base = buffer;
	in[0].iov_len = 3;
	in[1].iov_base = second;
	in[1].iov_len = 4;
	call(SYS_readv, fd, in, 2);
	call(SYS_preadv, fd, in, 2, 1L, 0L);
	call(SYS_read, -1, buffer, 10);
	call(SYS_write, 999, "lost", 4);
	call(SYS_sendfile, other, fd, &offset, 10L);
	call(SYS_copy_file_range, fd, NULL, other, NULL, 20L, 0);
	call(SYS_pipe, pipes);
	call(SYS_splice, fd, NULL, pipes[1], NULL, 10L, 1);
	call(SYS_close, fd);
	mark();
}

static void do_misc(void)
{
	static char target[32] = "read by another process";
	struct iovec local, remote = { target, sizeof(target) };
	char buffer[32], attr[128] = "";
	char params[120] = { 0 };
	int pid, status, fd;

	mark();
	pid = call(SYS_fork);
	while (pid == 0)
		pause();
	call(SYS_ptrace, PTRACE_ATTACH, pid, 0, 0);
	waitpid(pid, &status, 0);
	call(SYS_ptrace, PTRACE_PEEKDATA, pid, target, buffer);
	call(SYS_ptrace, PTRACE_DETACH, pid, 0, SIGCONT);
	local.iov_base = buffer;
	local.iov_len = sizeof(buffer);
	call(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0);
	call(SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0);
	call(SYS_kill, pid, SIGTERM);
	waitpid(pid, &status, 0);
	call(SYS_bpf, 5, attr, 8192); /* more than any kernel takes */
	call(SYS_init_module, "not a module", 12, "key=value");
	call(SYS_finit_module, -1, "", 0);
	call(SYS_delete_module, "no_such_module", O_NONBLOCK);
	fd = call(SYS_io_uring_setup, 4, params);
	call(SYS_io_uring_enter, fd, 0, 0, 1, NULL, 0);
	call(SYS_io_uring_register, fd, 8, NULL, 0);
	call(SYS_mprotect, (void *)((unsigned long)stack & ~4095UL), 4096, PROT_READ | PROT_WRITE);
	call(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	call(SYS_userfaultfd, O_CLOEXEC);
	call(SYS_tgkill, getpid(), getpid(), 0);
	call(SYS_getppid); /* has no event of its own */
	mark();
}

#ifdef __x86_64__
/* A system call in the numbering of i386. Its pointers must lie below 4 GiB. */
static long int80(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "0"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static void do_compat(void)
{
	char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned *words = (unsigned *)(low + 4096);
	struct sockaddr_in *closed = (struct sockaddr_in *)(low + 6000);
	long fd;

	signal(SIGPIPE, SIG_IGN);
	touch("file");
	mark();
	strcpy(low, at("file"));
	fd = int80(5, (long)low, O_RDONLY, 0); /* open; 5 is fstat for 64-bit programs */
	int80(6, fd, 0, 0);
	strcpy(low, at("folder"));
	int80(39, (long)low, 0700, 0); /* mkdir */
	int80(40, (long)low, 0, 0);    /* rmdir */
	words[0] = AF_INET;
	words[1] = SOCK_STREAM;
	words[2] = 0;
	fd = int80(102, 1, (long)words, 0); /* socketcall: socket */
	loopback(closed, 1);
	words[0] = fd;
	words[1] = (unsigned long)closed;
	words[2] = sizeof(*closed);
	int80(102, 3, (long)words, 0); /* socketcall: connect */
	words[0] = fd;
	words[1] = (unsigned long)strcpy(low, "text");
	words[2] = 4;
	words[3] = 0;
	int80(102, 9, (long)words, 0); /* socketcall: send */
	int80(6, fd, 0, 0);
	int80(213, 9, 0, 0); /* setuid32 */
	mark();
}
#else
static void do_compat(void)
{
}
#endif

/* -- io_uring ---------------------------------------------------------------------------------------- */

static int ring_fd;
static unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;

static int ring_open(void)
{
	struct io_uring_params p;
	char *sq, *cq;

	memset(&p, 0, sizeof(p));
	ring_fd = syscall(SYS_io_uring_setup, 8, &p);
	if (ring_fd < 0)
		return -1;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd,
		  IORING_OFF_CQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd, IORING_OFF_SQES);
	sq_tail = (void *)(sq + p.sq_off.tail);
	sq_mask = (void *)(sq + p.sq_off.ring_mask);
	sq_array = (void *)(sq + p.sq_off.array);
	cq_head = (void *)(cq + p.cq_off.head);
	cq_tail = (void *)(cq + p.cq_off.tail);
	cq_mask = (void *)(cq + p.cq_off.ring_mask);
	cqes = (void *)(cq + p.cq_off.cqes);
	return 0;
}

/* Submits one request and waits for its result; 0 at once for those that ask for no completion. */
static int ring_do(struct io_uring_sqe *sqe)
{
	unsigned tail = *sq_tail, index = tail & *sq_mask;
	int quiet = (sqe->flags & (1 << 6)) != 0, result;

	sqes[index] = *sqe;
	sqes[index].user_data = 77;
	sq_array[index] = index;
	__atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
	syscall(SYS_io_uring_enter, ring_fd, 1, quiet ? 0 : 1, IORING_ENTER_GETEVENTS, NULL, 0);
	if (__atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) == *cq_head)
		return 0;
	result = cqes[*cq_head & *cq_mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return result;
}

static struct io_uring_sqe request(int op, int fd, const void *address, unsigned long long offset, unsigned length, unsigned flags)
{
	struct io_uring_sqe sqe;

	memset(&sqe, 0, sizeof(sqe));
	sqe.opcode = op;
	sqe.fd = fd;
	sqe.addr = (unsigned long)address;
	sqe.off = offset;
	sqe.len = length;
	sqe.open_flags = flags;
	return sqe;
}

#define DO(...)                                          \
	({                                               \
		struct io_uring_sqe r = request(__VA_ARGS__); \
		ring_do(&r);                             \
	})

static void do_uring(void)
{
	struct sockaddr_in server;
	socklen_t length = sizeof(server);
	struct io_uring_sqe sqe;
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), fd;

	loopback(&server, 0);
	bind(listener, (void *)&server, sizeof(server));
	listen(listener, 1);
	getsockname(listener, (void *)&server, &length);
	touch("file");
	symlink("file", at("link"));
	if (ring_open() < 0)
		exit(77);
	mark();
	fd = DO(18, AT_FDCWD, at("link"), 0, 0, O_RDONLY);	       /* openat */
	DO(19, fd, NULL, 0, 0, 0);				       /* close */
	DO(18, AT_FDCWD, at("missing"), 0, 0, O_RDONLY);
	DO(18, AT_FDCWD, at("created"), 0, 0600, O_CREAT | O_WRONLY);
	DO(16, client, &server, sizeof(server), 0, 0);		       /* connect */
	DO(37, AT_FDCWD, at("folder"), 0, 0750, 0);		       /* mkdirat */
	DO(35, AT_FDCWD, at("created"), (unsigned long)at("renamed"), AT_FDCWD, 0); /* renameat */
	DO(38, AT_FDCWD, "somewhere", (unsigned long)at("symbolic"), 0, 0);	     /* symlinkat */
	DO(39, AT_FDCWD, at("renamed"), (unsigned long)at("hard"), AT_FDCWD, 0);    /* linkat */
	DO(36, AT_FDCWD, "hard", 0, 0, 0);			       /* unlinkat, relative */
	DO(36, AT_FDCWD, at("folder"), 0, 0, AT_REMOVEDIR);
	sqe = request(18, AT_FDCWD, at("file"), 0, 0, O_RDONLY);
	sqe.flags = 1 << 6; /* no completion when it succeeds */
	ring_do(&sqe);
	mark();
}

/* -- evasions ---------------------------------------------------------------------------------------- */

static char contested[64];
static volatile int flipping = 1;

static int flip(void *unused)
{
	(void)unused;
	while (flipping) {
		contested[0] = 'a';
		contested[0] = 'b';
	}
	syscall(SYS_exit, 0);
	return 0;
}

/* Opens a name that another thread changes all the time. */
static void do_race(void)
{
	touch("a");
	touch("b");
	strcpy(contested, "a");
	mark();
	clone(flip, stack + sizeof(stack), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL);
	for (int i = 0; i < 5000; i++)
		call(SYS_close, call(SYS_openat, AT_FDCWD, contested, O_RDONLY, 0));
	flipping = 0;
	mark();
}

/* A name in a page that nobody has touched before the call. */
static void do_absent(void)
{
	char *page;
	int fd = open(at("page"), O_CREAT | O_RDWR, 0600);

	ftruncate(fd, 8192);
	pwrite(fd, "page", 5, 4096);
	page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
	mark();
	call(SYS_openat, AT_FDCWD, page + 4096, O_RDONLY, 0);
	mark();
}

static void copy_file(const char *to)
{
	static char copy[4 << 20];
	int from = open(self_path, O_RDONLY), size = read(from, copy, sizeof(copy)), fd = open(to, O_CREAT | O_WRONLY, 0755);

	write(fd, copy, size);
	close(fd);
	close(from);
}

static void run_quiet(const char *program)
{
	int pid = fork();

	if (pid == 0) {
		execve(program, (char *[]){ "program", "quiet", NULL }, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* Files of the lower and of the upper layer of an overlay. */
static void do_overlay(void)
{
	char options[8192];

	unshare(CLONE_NEWNS);
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	mount("windhover", path_buffer, "tmpfs", 0, NULL);
	chdir(path_buffer);
	mkdir(at("lower"), 0755);
	mkdir(at("upper"), 0755);
	mkdir(at("work"), 0755);
	mkdir(at("merged"), 0755);
	copy_file(at("lower/old"));
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("work"));
	if (mount("overlay", at("merged"), "overlay", 0, options))
		exit(77);
	copy_file(at("merged/new"));
	mark();
	call(SYS_openat, AT_FDCWD, at("merged/old"), O_RDONLY | O_CLOEXEC, 0);
	call(SYS_openat, AT_FDCWD, at("merged/new"), O_RDONLY | O_CLOEXEC, 0);
	call(SYS_openat, AT_FDCWD, at("merged/created"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	call(SYS_creat, at("merged/created too"), 0600);
	run_quiet(at("merged/old"));
	run_quiet(at("merged/new"));
	mark();
}

/* Opens a file by handle, where the file system can. */
static void do_handle(void)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char rest[128];
	} handle = { .bytes = 128 };
	int mount, root = open(path_buffer, O_RDONLY | O_DIRECTORY), fd;

	touch("file");
	if (syscall(SYS_name_to_handle_at, AT_FDCWD, at("file"), &handle, &mount, 0))
		exit(77);
	mark();
	fd = call(SYS_open_by_handle_at, root, &handle, O_RDONLY);
	call(SYS_close, fd);
	mark();
}

/* Many short calls, to be counted: `n` pairs of open and close. */
static void do_many(void)
{
	for (int i = 0; i < 20000; i++)
		close(open("/dev/null", O_RDONLY));
}

/* Nanoseconds of CPU time for one turn, on standard output: the best of some rounds. */
static void measure(long turns, void (*turn)(void))
{
	double best = 1e9;

	for (int round = 0; round < 7; round++) {
		struct timespec from, to;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		for (long i = 0; i < turns; i++)
			turn();
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		double ns = ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / turns;
		if (ns < best)
			best = ns;
	}
	printf("%.1f\n", best);
}

static void one_getppid(void)
{
	syscall(SYS_getppid);
}

static void one_open(void)
{
	close(open("a/b/c/d/file", O_RDONLY));
}

static void do_measure_getppid(void)
{
	measure(1000000, one_getppid);
}

static void do_measure_open(void)
{
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	mkdir("a/b/c", 0755);
	mkdir("a/b/c/d", 0755);
	touch("a/b/c/d/file");
	measure(50000, one_open);
}

static const struct {
	const char *name;
	void (*run)(void);
} families[] = {
	{ "open", do_open },	   { "deleted", do_deleted }, { "mounts", do_mounts },	   { "paths", do_paths },
	{ "descriptors", do_descriptors }, { "network", do_network }, { "processes", do_processes }, { "images", do_images },
	{ "identity", do_identity }, { "data", do_data },	{ "misc", do_misc },	   { "compat", do_compat },
	{ "uring", do_uring },	   { "race", do_race },	      { "absent", do_absent },	   { "handle", do_handle },
	{ "overlay", do_overlay },
	{ "many", do_many },	   { "measure-getppid", do_measure_getppid }, { "measure-open", do_measure_open },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "quiet"))
		return 0;
	if (argc < 3)
		return 64;
	umask(022);
	self_path = realpath("/proc/self/exe", NULL);
	if (!realpath(argv[2], path_buffer) || chdir(path_buffer))
		return 66;
	for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (!strcmp(families[i].name, argv[1])) {
			families[i].run();
			return 0;
		}
	}
	return 65;
}
