/*
 * The kernel's structures, reduced to the members that the probe reads. Offsets are relocated when the
 * program is loaded (CO-RE), so order and padding here mean nothing. Where kernels differ, a flavour
 * (`___name`) describes the other shape and a bpf_core_field_exists() chooses.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
};

/* Functions of the kernel that the verifier knows by name. */
enum special_kfunc_type { KF_bpf_rdonly_cast };

enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2, BPF_RB_RING_SIZE = 1, BPF_RB_AVAIL_DATA = 0 };

/* Result of bpf_get_ns_current_pid_tgid (include/uapi/linux/bpf.h). */
struct bpf_pidns_info {
	u32 pid, tgid;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic_long_t;

typedef struct {
	u32 val;
} kuid_t;

typedef struct {
	u32 val;
} kgid_t;

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

/* -- files ------------------------------------------------------------------------------------------- */

struct qstr {
	u32 len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	void *d_fsdata;
};

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
	struct dentry *s_root;
};

struct inode {
	u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	u32 i_flags;
	u32 i_rdev;
	unsigned long i_ino;
	u32 i_nlink;
	struct super_block *i_sb;
};

/* Times of an inode: up to 6.5, up to 6.10, since 6.11. */
struct inode___old {
	struct timespec64 i_ctime, i_mtime;
};
struct inode___mid {
	struct timespec64 __i_ctime, __i_mtime;
};
struct inode___new {
	s64 i_ctime_sec, i_mtime_sec;
	u32 i_ctime_nsec, i_mtime_nsec;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
	int mnt_flags;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	u32 f_mode;
	u32 f_flags;
	void *private_data;
};

struct fdtable {
	u32 max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct fs_struct {
	struct path root, pwd;
};

/* Only its size is asked: what lies behind `struct inode` in an overlay inode. */
struct socket_alloc {
	struct inode vfs_inode;
};

struct pipe_inode_info;

/* -- processes --------------------------------------------------------------------------------------- */

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	u32 level;
	struct upid numbers[1];
};

struct pid_namespace {
	struct task_struct *child_reaper;
	u32 level;
};

struct nsproxy {
	void *uts_ns, *ipc_ns, *mnt_ns, *net_ns, *cgroup_ns;
	struct pid_namespace *pid_ns_for_children;
};

/* Two u32 up to 6.2, one u64 since: the same eight bytes. */
typedef struct {
	u64 val;
} kernel_cap_t;

struct cred {
	kuid_t uid, suid, euid, fsuid;
	kgid_t gid, sgid, egid, fsgid;
	kernel_cap_t cap_inheritable, cap_permitted, cap_effective;
	struct user_namespace *user_ns;
};

struct rlimit {
	unsigned long rlim_cur, rlim_max;
};

struct tty_driver {
	int major, minor_start;
};

struct tty_struct {
	struct tty_driver *driver;
	int index;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	struct tty_struct *tty;
	struct pid *pids[4];
	struct rlimit rlim[16];
	u32 is_child_subreaper : 1;
};

struct percpu_counter {
	s64 count;
};

struct mm_struct {
	unsigned long total_vm, arg_start, arg_end, env_start, env_end;
	struct file *exe_file;
	struct percpu_counter rss_stat[4];
};

/* Up to 6.1 the resident set is a struct of atomics. */
struct mm_rss_stat {
	atomic_long_t count[4];
};
struct mm_struct___old {
	struct mm_rss_stat rss_stat;
};

struct thread_info {
	u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	int pid, tgid;
	char comm[16];
	struct mm_struct *mm;
	struct task_struct *real_parent, *group_leader;
	struct list_head children;
	struct pid *thread_pid;
	struct cred *cred, *real_cred;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
	unsigned long maj_flt, min_flt;
	u64 start_boottime;
	int exit_code;
	u32 flags;
	kuid_t loginuid;
};

struct linux_binprm {
	struct file *file;
	const char *filename;
	const char *interp;
};

/* -- control groups ---------------------------------------------------------------------------------- */

struct kernfs_node {
	const char *name;
	u64 id;
	struct kernfs_node *parent;
};

/* Since 6.15 the member has another name. */
struct kernfs_node___new {
	struct kernfs_node *__parent;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};

/* -- sockets ----------------------------------------------------------------------------------------- */

struct in6_addr {
	u8 s6_addr[16];
};

struct sock_common {
	u16 skc_family;
	u8 skc_state;
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	u32 sk_ack_backlog, sk_max_ack_backlog;
	u16 sk_type, sk_protocol;
};

struct inet_sock {
	struct sock sk;
	__be32 inet_saddr;
	__be16 inet_sport;
};

struct socket {
	u16 type;
	struct sock *sk;
};

struct sockaddr_un {
	u16 sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[1];
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

/* -- registers --------------------------------------------------------------------------------------- */

/* The whole struct is user-visible ABI (arch/x86/include/uapi/asm/ptrace.h). */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct pt_regs___arm64 {
	u64 regs[31];
	u64 sp, pc, pstate, orig_x0;
	s32 syscallno;
};

/* -- io_uring ---------------------------------------------------------------------------------------- */

struct filename {
	const char *name;
};

struct open_how {
	u64 flags, mode, resolve;
};

/* Since 5.19. */
struct io_cqe {
	u64 user_data;
	s32 res;
	int fd;
};

struct io_ring_ctx;

struct io_kiocb {
	struct file *file;
	u8 opcode;
	struct io_cqe cqe;
};

/* The type of the flags has changed (6.10); only the place is asked. */
struct io_kiocb___flags {
	u32 flags;
};

/* What a request of one kind keeps, at the start of its io_kiocb. */
struct io_open {
	int dfd;
	u32 file_slot;
	struct filename *filename;
	struct open_how how;
};

struct io_close {
	int fd;
};

struct io_unlink {
	int dfd;
	int flags;
	struct filename *filename;
};

struct io_rename {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
	int flags;
};

struct io_mkdir {
	int dfd;
	u16 mode;
	struct filename *filename;
};

struct io_link {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
	int flags;
};

/* Since 7.0 the names are wrapped. */
struct delayed_filename {
	struct filename *__incomplete_filename;
};

struct io_open___delayed {
	struct delayed_filename filename;
};

struct io_unlink___delayed {
	struct delayed_filename filename;
};

struct io_mkdir___delayed {
	struct delayed_filename filename;
};

struct io_rename___delayed {
	struct delayed_filename oldpath, newpath;
};

struct io_link___delayed {
	struct delayed_filename oldpath, newpath;
};

struct io_connect {
	struct sockaddr *addr;
	int addr_len;
};

struct io_accept {
	int flags;
};

struct io_socket {
	int domain, type, protocol;
};

struct io_listen {
	int backlog;
};

/* Only the shape of the tracepoints is asked. */
struct trace_event_raw_io_uring_submit_sqe {
	void *req;
};

struct trace_event_raw_io_uring_complete {
	void *req;
};

#pragma clang attribute pop

/* Asked whether the kernel has it (5.11). */
enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158,
};

enum cgroup_subsys_id {
	cpuset_cgrp_id,
	cpu_cgrp_id,
	cpuacct_cgrp_id,
	io_cgrp_id,
	memory_cgrp_id,
};
