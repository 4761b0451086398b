/*
 * What the loader sets and what the programs share.
 */
#pragma once

char LICENSE[] SEC("license") = "GPL";

/* -- configuration: frozen before the programs are loaded, so that branches not wanted cost nothing --- */

enum scope { SCOPE_ALL, SCOPE_CGROUP, SCOPE_TREE };

/* Which processes are watched (enum scope). */
const volatile u32 c_scope = SCOPE_TREE;
/* SCOPE_ALL: the process (tgid) that is not watched: the sensor's own, whose work for one event would make the next. */
const volatile u32 c_self = 0;
/* SCOPE_TREE: the pid namespace of the sensor (device and inode of its nsfs file), when it is not the initial one. */
const volatile u64 c_pidns_dev = 0;
const volatile u64 c_pidns_ino = 0;
/* SCOPE_CGROUP: id (inode of the directory) of the control group; its descendants are in scope too. */
const volatile u64 c_cgroup = 0;
/* SCOPE_CGROUP: the hierarchy it is in. */
enum hierarchy { HIERARCHY_CPUSET, HIERARCHY_CPU, HIERARCHY_CPUACCT, HIERARCHY_IO, HIERARCHY_MEMORY, HIERARCHY_UNIFIED = 0xffffffff };
const volatile u32 c_cgroup_hierarchy = HIERARCHY_UNIFIED;
/* Nanoseconds to add to the boot clock for time since the epoch. */
const volatile u64 c_epoch = 0;
/* How many bytes of a read or written buffer are kept (below 4096). */
const volatile u32 c_snaplen = 80;
/* Kernel addresses (the identity of unix sockets) are combined with this before they leave the kernel. */
const volatile u64 c_pointer_key = 0;
/* Casts (path.h) may be used; the loader tries without where a kernel does not take them, as without its compiler. */
const volatile u32 c_casts = 1;
/* How many CPUs share a ring of `rings`; 0: all CPUs use `ring`. */
const volatile u32 c_cpus_per_ring = 0;

/* -- maps -------------------------------------------------------------------------------------------- */

/* max_entries (bytes, power of two) is set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} ring SEC(".maps");

/*
 * On machines of many CPUs one ring is a place where all of them wait for each other. The loader sets max_entries and
 * fills it so that every CPU that may come has an entry; the first is `ring`. The inner size only has to be valid.
 */
struct inner_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 10);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct inner_ring);
} rings SEC(".maps");

/* What a call does to descriptors (struct entry, `fds`); FDS_NONE also when `fd_tables` are not kept. */
enum fds { FDS_NONE, FDS_RETURNS, FDS_CLOSES, FDS_DUPLICATES, FDS_FCNTL, FDS_USES_FIFTH, FDS_SHARES };

/* Calls on descriptors: no rule can want them where user space knows nothing of the descriptor; no rule wants them at all. */
enum quiet { QUIET_NOT, QUIET_UNKNOWN, QUIET_STATE };

/* How a system call is handled; type 0 = not selected. */
struct entry {
	u16 type;	 /* the event code */
	u8 program;	 /* index into `programs` */
	u8 class;	 /* drop class */
	u16 id;		 /* GENERIC_X: the ID parameter */
	u8 nparams;	 /* how many parameters the table gives the event */
	u8 fds;		 /* enum fds */
	u32 third;	 /* reported only when the third argument has one of these bits; 0: always */
	u8 quiet;	 /* enum quiet */
	u8 spare[3];
};

/* By number: `native` in the machine's own numbering (x32 keeps its numbers above 511), `compat` in the i386 one. */
struct syscall {
	struct entry native, compat;
};

#define SYSCALLS 1024
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SYSCALLS);
	__type(key, u32);
	__type(value, struct syscall);
} syscalls SEC(".maps");

/* socketcall(2) of i386, by its first argument. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32);
	__type(key, u32);
	__type(value, struct entry);
} socketcalls SEC(".maps");

/* Selection of what is no system call: indexed by enum other. */
enum other { OTHER_FORK, OTHER_EXEC, OTHER_EXIT, OTHERS };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OTHERS);
	__type(key, u32);
	__type(value, struct entry);
} others SEC(".maps");

/* Selection of io_uring operations, by opcode. */
#define URING_OPS 64
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, URING_OPS);
	__type(key, u32);
	__type(value, struct entry);
} uring_ops SEC(".maps");

/*
 * io_uring operations between submission and completion: what was asked is only there at the first, the result only
 * at the second. The key is the request, or, on kernels whose completions do not name it, ring and user_data.
 */
#define URING_NAME 1024
struct uring_key {
	u64 a, b;
};
struct uring_pending {
	struct entry entry;
	u32 tid, op;
	u64 arg[6];
	u16 length[2]; /* of the names, NUL included */
	u32 flags;
	char name[2][URING_NAME];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct uring_key);
	__type(value, struct uring_pending);
} uring_pending SEC(".maps");

/* Processes (tgid) in scope. ARMED ones enter at their next exec, so that a launcher leaves no trace. */
enum { SCOPE_ARMED = 1, SCOPE_ACTIVE = 2 };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u32);
} scope SEC(".maps");

/* The same by the numbers of the sensor's pid namespace: an entry moves to `scope` when its process is first seen. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u32);
} scope_ns SEC(".maps");

/*
 * Opens for reading that no rule can want are not reported. The bit tables, set by the loader, dismiss most of them
 * without a path having been put together: what they let through is looked at in full.
 */
enum failed { FAILED_NONE, FAILED_DOTS, FAILED_ALL };
#define BITS_16 (65536 / 64)
struct open_filter {
	u32 enabled;
	u32 failed; /* which failed ones are reported (enum failed) */
	u32 dots;   /* those whose name, as the caller wrote it, has two dots in a row, are reported */
	u32 comms;  /* there are names in `open_comms` */
	u32 compat; /* all those of 32-bit calls are reported */
	u32 programs; /* there are paths in `open_programs` */
	u32 epoch; /* another one for each filter: a multiple of 4, not 0 */
	u32 spare;
	u64 first[BITS_16]; /* the first two bytes of a path: those of `open_prefixes` */
	u64 tail4[BITS_16]; /* TAIL_HASH of the last four bytes of '/' and the last component, ... */
	u64 tail8[BITS_16]; /* ... of the last eight bytes; where there are fewer, zeros before them */
	u64 comm[BITS_16];  /* TAIL_HASH of the first eight bytes of a program's name: those of `open_comms` */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct open_filter);
} open_filter SEC(".maps");

enum asks {
	ASKS_HIDDEN = 1, /* a component whose name begins with a dot */
	ASKS_DOTS = 2,	 /* two dots in a row in the name as the caller wrote it */
};
#define OPEN_PREFIX 256 /* bytes that are compared; the most that the kernel does */
struct open_prefix {
	u32 bits;
	u8 text[OPEN_PREFIX];
};
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, 1); /* BPF_F_NO_PREALLOC, which this type requires */
	__type(key, struct open_prefix);
	__type(value, u32); /* what else is asked: bits of enum asks */
} open_prefixes SEC(".maps");

struct open_comm {
	char name[16];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct open_comm);
	__type(value, u32);
} open_comms SEC(".maps");

/* Beginnings of the paths of programs whose opens are reported. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, 1); /* BPF_F_NO_PREALLOC */
	__type(key, struct open_prefix);
	__type(value, u32);
} open_programs SEC(".maps");

/*
 * Of which descriptors user space knows nothing, by process: their opens were not reported, so their closes need not be
 * either. No table, or a number beyond it: user space may know of it.
 */
#define FDS 128
struct fd_table {
	u8 unknown[FDS]; /* bytes, because threads write beside each other */
	u32 shared;	 /* the table is not the process's alone: nothing is taken for unknown */
	u32 program;	 /* `epoch` of the filter that decided, and PROGRAM_* of programs.h */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct fd_table);
} fd_tables SEC(".maps");

/* One program for each family of events, called by the one attached to sys_exit. */
enum program { P_NUMBERS, P_OPEN, P_PATHS, P_SOCKET, P_DATA, P_PROCESS, P_FAILED_EXEC, P_MISC, P_FILE, PROGRAMS };
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, PROGRAMS);
	__type(key, u32);
	__type(value, u32);
} programs SEC(".maps");

/* Counters, by CPU. Every event that was built is in `produced`; those that the ring had no room for are in `dropped`. */
#define CLASSES 8
struct counters {
	u64 produced;
	u64 dropped[CLASSES];
	/* Processes that did not fit into the map `scope`: they escape. */
	u64 scope_full;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* The neighbouring members of a dentry that a walk needs, read at once. */
struct dentry_head {
	void *next, *pprev;
	struct dentry *parent;
	u32 hash, len;
	const unsigned char *name;
};

enum layer { LAYER_NONE, LAYER_UPPER, LAYER_LOWER };

/* What is reported of an open file, read once. It lives in the scratch: on the stack, every file would be a state of its own. */
struct file_facts {
	struct path path;
	struct inode *inode;
	struct dentry_head head;
	u64 ino;
	u32 dev, nlink, f_mode;
	enum layer layer;
};

/*
 * Where events are built: one for each CPU and attached program, so that nothing shares one while it is in use.
 * An array by CPU number, because per-CPU maps end at 32 KiB a value. The loader sets max_entries.
 */
enum slot { SLOT_SYSCALL, SLOT_FORK, SLOT_EXEC, SLOT_EXIT, SLOT_URING, SLOTS };

/*
 * What one event may take, a power of two. The largest is an exec: program and arguments 4 KiB, environment 4,
 * working directory 4, path 4, name 4, control groups at most 6.
 */
#define REC_SIZE 32768
#define PATH_SIZE 4096 /* likewise for a path, NUL included */
#define PREFIX 8

struct scratch {
	u32 at;	      /* where the next parameter is written, in rec */
	u32 type;     /* the event code */
	u32 flags;    /* wh.flags */
	u32 class;
	u32 nparams;  /* of the table */
	u32 compat;
	u32 id;
	u32 nr;
	u32 extra;    /* how many parameters follow the table's */
	u32 carries;  /* the event carries the path of its descriptor, of which user space knows nothing */
	u32 path_at;  /* start of the text in `path` */
	u32 name_length; /* of the caller's struct sockaddr, in bytes */
	u32 lost;     /* events that this slot lost since the last one delivered */
	s64 ret;
	u64 arg[6];
	u64 tmp[8];
	u8 rec[REC_SIZE + PATH_SIZE + 64];
	u8 path[PATH_SIZE + 256];
	struct uring_pending pending;
	struct file_facts file;
	struct open_prefix prefix;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");
