/*
 * Ways around a watcher of system calls: `evasions ROW ARGUMENT` does one of them, harmlessly, in namespaces that the
 * test made. What it must tell the test (how often a race was won) goes to standard output.
 *   gcc -static -no-pie -O1 -pthread -o evasions evasions.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPENS = 20 };

static const char *argument;

/* Two names of one length, written over each other by another process or thread for as long as it runs. */
static char *shared;
static volatile int *over;
static const char *names[2];

static void *flip(void *unused)
{
	for (unsigned i = 0; !*over; i++) {
		memcpy(shared, names[i & 1], strlen(names[0]) + 1);
		if ((i & 63) == 0)
			sched_yield();
	}
	return unused;
}

static void start_sharing(const char *a, const char *b)
{
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	over = (volatile int *)(shared + 4096);
	names[0] = a;
	names[1] = b;
	strcpy(shared, a);
}

/* A01: the name changes while open runs. Prints how often the other file was opened. */
static int open_race(void)
{
	struct stat wanted, got;
	pthread_t thread;
	int won = 0;

	stat("/etc/shadow", &wanted);
	start_sharing("/etc/./hosts", "/etc/shadow\0");
	pthread_create(&thread, NULL, flip, NULL);
	for (int i = 0; i < 3000; i++) {
		int fd = open(shared, O_RDONLY);

		if (fd >= 0 && fstat(fd, &got) == 0 && got.st_ino == wanted.st_ino && got.st_dev == wanted.st_dev)
			won++;
		if (fd >= 0)
			close(fd);
	}
	*over = 1;
	pthread_join(thread, NULL);
	printf("%d\n", won);
	return 0;
}

/* A03: the address changes while connect runs. ARGUMENT: two ports of listeners. Prints how often the second was reached. */
static int connect_race(void)
{
	int first, second, won = 0;
	struct sockaddr_in *address, peer;
	pid_t child;

	if (sscanf(argument, "%d,%d", &first, &second) != 2)
		return 2;
	start_sharing("", "");
	address = (struct sockaddr_in *)shared;
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	child = fork();
	if (child == 0) {
		while (!*over) {
			address->sin_port = htons(first);
			address->sin_port = htons(second);
		}
		_exit(0);
	}
	for (int i = 0; i < 150; i++) {
		socklen_t size = sizeof(peer);
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)address, sizeof(*address)) == 0 &&
		    getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && ntohs(peer.sin_port) == second)
			won++;
		close(fd);
	}
	*over = 1;
	waitpid(child, NULL, 0);
	printf("%d\n", won);
	return 0;
}

/* A program that says by its status whether it is the wanted one. */
static int started(void)
{
	char path[256] = "";

	return readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 && strstr(path, "/raced-program") != NULL ? 42 : 43;
}

/* Opens the shared name again and again, and counts how often that was the other file. */
static void *open_often(void *count)
{
	struct stat wanted, got;

	stat("/etc/shadow", &wanted);
	for (int i = 0; i < OPENS; i++) {
		int fd = open(shared, O_RDONLY);

		if (fd >= 0 && fstat(fd, &got) == 0 && got.st_ino == wanted.st_ino && got.st_dev == wanted.st_dev)
			++*(volatile int *)count;
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

/* A04: a tracer stops each call at its entry, gives it another name, and takes that away when it has returned. */
static void traced_open(int *count)
{
	int status, inside = 0;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		open_often(count);
		_exit(0);
	}
	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (ptrace(PTRACE_SYSCALL, child, 0, 0) == 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		inside = !inside;
		usleep(1000);
		strcpy(shared, names[inside]);
	}
}

static volatile int listener = -1;

static void *supervised_open(void *count)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	return listener < 0 ? NULL : open_often(count);
}

/* The same by a supervisor whom a filter of seccomp asks: the call goes on only when the supervisor says so. */
static int notified_open(int *count)
{
	pthread_t thread;

	strcpy(shared, names[0]);
	pthread_create(&thread, NULL, supervised_open, count);
	while (listener == -1)
		usleep(1000);
	for (int i = 0; i < OPENS; i++) {
		struct seccomp_notif request = {0};
		struct seccomp_notif_resp answer = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
			return 1;
		usleep(1000);
		strcpy(shared, names[1]);
		answer.id = request.id;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0)
			return 1;
	}
	pthread_join(thread, NULL);
	return 0;
}

/* A04: others delay the call and change its name meanwhile. Prints how often the other file was opened. */
static int delayed_open(void)
{
	int *count, status;

	start_sharing("/etc/./hosts", "/etc/shadow\0");
	count = (int *)(shared + 4096);
	traced_open(count);
	status = notified_open(count);
	printf("%d\n", *count);
	return status;
}

/* A05: the name changes while execve runs. ARGUMENT: two copies of this program. Prints how often the first was started. */
static int exec_race(void)
{
	char wanted[256], other[256];
	const char *comma = strchr(argument, ',');
	size_t length, first = comma - argument, second = strlen(comma + 1);
	pid_t flipper;
	int won = 0;

	/* Of one length: leading slashes do not count. */
	length = first > second ? first : second;
	memset(wanted, '/', sizeof(wanted));
	memset(other, '/', sizeof(other));
	memcpy(wanted + length - first, argument, first);
	memcpy(other + length - second, comma + 1, second);
	wanted[length] = other[length] = 0;
	start_sharing(other, wanted);
	flipper = fork();
	if (flipper == 0)
		_exit(flip(NULL) != NULL);
	for (int i = 0; i < 60; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			char *argv[] = {"raced", "started", NULL};
			execv(shared, argv);
			_exit(9);
		}
		waitpid(child, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 42)
			won++;
	}
	*over = 1;
	waitpid(flipper, NULL, 0);
	printf("%d\n", won);
	return 0;
}

/* A06: an open through io_uring. */
static int uring_open(void)
{
	struct io_uring_params p = {0};
	int ring = syscall(SYS_io_uring_setup, 4, &p);
	char *sq, *cq;
	struct io_uring_sqe *sqe;
	unsigned *tail;

	if (ring < 0)
		return 77;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED,
		  ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_OPENAT;
	sqe->fd = AT_FDCWD;
	sqe->addr = (unsigned long)"/etc/shadow";
	sqe->open_flags = O_RDONLY;
	((unsigned *)(sq + p.sq_off.array))[0] = 0;
	tail = (unsigned *)(sq + p.sq_off.tail);
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return 1;
	return ((struct io_uring_cqe *)(cq + p.cq_off.cqes))->res < 0;
}

/* A07: an open by the numbering of i386. */
static int compat_open(void)
{
#ifdef __x86_64__
	static const char name[] = "/etc/shadow";
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(5L), "b"(name), "c"(0L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
	return result < 0;
#else
	return 77;
#endif
}

/*
 * A08: an open, and the start of a program, by the numbering of x32; 77 where the kernel does not know it. ARGUMENT: a
 * copy of this program.
 */
static int x32_calls(void)
{
#ifdef __x86_64__
	enum { X32 = 0x40000000, X32_EXECVE = X32 | 520 };
	static char path[256], started[] = "started";
	static unsigned argv[3], environment[1];
	int status;
	pid_t child;

	if (syscall(X32 | SYS_openat, AT_FDCWD, "/etc/shadow", O_RDONLY, 0) < 0)
		return 77;
	/* A pointer has 32 bits; what is static lies low enough. */
	strncpy(path, argument, sizeof(path) - 1);
	argv[0] = (unsigned long)path;
	argv[1] = (unsigned long)started;
	child = fork();
	if (child == 0) {
		syscall(X32_EXECVE, path, argv, environment);
		_exit(1);
	}
	waitpid(child, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 43;
#else
	return 77;
#endif
}

/* A09: other calls to the same end. */
static int sister_calls(void)
{
	struct open_how how = {.flags = O_RDONLY};
	struct file_handle *handle = malloc(sizeof(*handle) + 128);
	int mount, fd;

	if (syscall(SYS_openat2, AT_FDCWD, "/etc/shadow", &how, sizeof(how)) < 0)
		return 1;
	handle->handle_bytes = 128;
	if (name_to_handle_at(AT_FDCWD, "/etc/shadow", handle, &mount, 0) < 0)
		return 0;
	fd = open("/etc", O_RDONLY | O_DIRECTORY);
	return open_by_handle_at(fd, handle, O_RDONLY) < 0 && 0;
}

/* A12: another name of its own. */
static int renamed(void)
{
	prctl(PR_SET_NAME, "sshd");
	return open("/etc/shadow", O_RDONLY) < 0;
}

/* A17: code mapped from a file, without starting it. ARGUMENT: the file. */
static int map_code(void)
{
	int fd = open(argument, O_RDONLY);

	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED;
}


/* A20: writing into another process. */
static int poke(void)
{
	static long word = 7;
	struct iovec local = {&word, sizeof(word)}, remote = {&word, sizeof(word)};
	int status;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	if (process_vm_writev(child, &local, 1, &remote, 1, 0) < 0)
		return 1;
	if (ptrace(PTRACE_ATTACH, child, 0, 0) < 0)
		return 1;
	waitpid(child, &status, 0);
	ptrace(PTRACE_POKETEXT, child, &word, 8);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return 0;
}

/* A22: a program that never had a name (O_TMPFILE), started by its descriptor. ARGUMENT: a directory. */
static int nameless(void)
{
	char buffer[65536];
	char *argv[] = {"nameless", NULL}, *environment[] = {NULL};
	int in = open("/bin/true", O_RDONLY), out = open(argument, O_TMPFILE | O_RDWR, 0755), again;
	ssize_t n;
	char path[64];

	if (out < 0)
		return 77;
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, n) != n)
			return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
	again = open(path, O_RDONLY | O_CLOEXEC);
	close(out);
	syscall(SYS_execveat, again, "", argv, environment, AT_EMPTY_PATH);
	return 1;
}

/* A25: an open file handed over by SCM_RIGHTS, and one taken by pidfd_getfd. */
static int hand_over(void)
{
	int pair[2];
	pid_t child;
	int pidfd;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	child = fork();
	if (child == 0) {
		char control[CMSG_SPACE(sizeof(int))] = {0};
		char byte = 'x';
		struct iovec data = {&byte, 1};
		struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		int fd = open("/etc/shadow", O_RDONLY);

		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
		sendmsg(pair[1], &message, 0);
		pause();
		_exit(0);
	}
	{
		char control[CMSG_SPACE(sizeof(int))];
		char byte;
		struct iovec data = {&byte, 1};
		struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};

		if (recvmsg(pair[0], &message, 0) < 0)
			return 1;
	}
	pidfd = syscall(SYS_pidfd_open, child, 0);
	syscall(SYS_pidfd_getfd, pidfd, pair[1], 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}

/* A28: many events before the one that counts. */
static int flood(void)
{
	for (int i = 0; i < 20000; i++)
		close(open("/dev/null", O_RDONLY));
	return open("/etc/shadow", O_RDONLY) < 0;
}

static void *exec_in_thread(void *unused)
{
	char *argv[] = {"threaded", NULL};

	execv(argument, argv);
	return unused;
}

/* A30: another thread than the first one starts a program. ARGUMENT: the program. */
static int threaded(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_in_thread, NULL);
	pause();
	return 1;
}

/* A35: the name lies in a page that has never been touched. ARGUMENT: a file that begins with the name. */
static int absent(void)
{
	int fd = open(argument, O_RDONLY);
	char *name = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return open(name, O_RDONLY) < 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} rows[] = {
		{"A01", open_race}, {"A03", connect_race}, {"A04", delayed_open}, {"A05", exec_race}, {"A06", uring_open}, {"A07", compat_open},
		{"A08", x32_calls}, {"A09", sister_calls}, {"A12", renamed}, {"A17", map_code}, {"A20", poke}, {"A22", nameless},
		{"A25", hand_over}, {"A28", flood}, {"A30", threaded}, {"A35", absent}, {"started", started},
	};

	argument = argc > 2 ? argv[2] : "";
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (argc > 1 && strcmp(argv[1], rows[i].name) == 0)
			return rows[i].run();
	return 2;
}
