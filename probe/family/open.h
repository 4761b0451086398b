/*
 * open, openat, openat2, creat, open_by_handle_at.
 */
#pragma once

/* O_* of include/uapi/asm-generic/fcntl.h (x86) to the wire's. */
static __always_inline u32 wire_open_flags(u64 flags)
{
	u32 wire = 0, mode = flags & 3;

	wire |= mode == 0 ? PPM_O_RDONLY : mode == 1 ? PPM_O_WRONLY : PPM_O_RDWR;
#define MAP(native, name) wire |= flags & (native) ? PPM_##name : 0
	MAP(00000100, O_CREAT);
	MAP(00000200, O_EXCL);
	MAP(00001000, O_TRUNC);
	MAP(00002000, O_APPEND);
	MAP(00004000, O_NONBLOCK);
	MAP(00010000, O_DSYNC);
	MAP(00040000, O_DIRECT);
	MAP(00100000, O_LARGEFILE);
	MAP(00200000, O_DIRECTORY);
	MAP(02000000, O_CLOEXEC);
	MAP(04000000, O_SYNC);
	MAP(020000000, O_TMPFILE);
#undef MAP
	return wire;
}

/* RESOLVE_* of include/uapi/linux/openat2.h to the wire's. */
static __always_inline u32 wire_resolve(u64 resolve)
{
	return (resolve & 0x01 ? PPM_RESOLVE_NO_XDEV : 0) | (resolve & 0x02 ? PPM_RESOLVE_NO_MAGICLINKS : 0) |
	       (resolve & 0x04 ? PPM_RESOLVE_NO_SYMLINKS : 0) | (resolve & 0x08 ? PPM_RESOLVE_BENEATH : 0) |
	       (resolve & 0x10 ? PPM_RESOLVE_IN_ROOT : 0) | (resolve & 0x20 ? PPM_RESOLVE_CACHED : 0);
}

/* The mode counts only where the call can create a file (O_CREAT, O_TMPFILE). */
static __always_inline u32 open_mode(u64 flags, u64 mode)
{
	return flags & (00000100 | 020000000) ? mode & 07777 : 0;
}

/* What only the opened file tells: that it was created, its overlay layer. */
static __always_inline u32 opened_flags(struct file_facts *file)
{
	u32 wire = file->f_mode & FMODE_CREATED ? PPM_O_F_CREATED : 0;

	if (file->layer == LAYER_UPPER)
		wire |= PPM_FD_UPPER_LAYER;
	if (file->layer == LAYER_LOWER)
		wire |= PPM_FD_LOWER_LAYER;
	return wire;
}

/* Where in `rec` the caller's name stands, and its length with the NUL: kept in memory for the comparison. */
#define RAW_AT(s) (*(volatile u32 *)&(s)->tmp[0])
#define RAW_LENGTH(s) (*(volatile u32 *)&(s)->tmp[1])

static __always_inline u64 word_of(const u8 *bytes)
{
	return *(const u64 *)bytes;
}

/* True when the caller's name, an absolute one, is not byte by byte the text in s->path. */
static __always_inline int name_differs(struct scratch *s)
{
	u32 tail;
	u64 a, b;

	if (PATH_SIZE - (PATH_AT(s) & PATH_MASK) != RAW_LENGTH(s))
		return 1;
	for (u32 i = 0; i < PATH_SIZE; i += 8) {
		if (i + 8 > RAW_LENGTH(s))
			break;
		if (word_of(s->rec + ((RAW_AT(s) + i) & REC_MASK)) != word_of(s->path + ((PATH_AT(s) + i) & PATH_MASK)))
			return 1;
	}
	tail = RAW_LENGTH(s) & ~7U;
	a = word_of(s->rec + ((RAW_AT(s) + tail) & REC_MASK));
	b = word_of(s->path + ((PATH_AT(s) + tail) & PATH_MASK));
	return ((a ^ b) & ((1ULL << (8 * (RAW_LENGTH(s) & 7))) - 1)) != 0;
}

static __always_inline void put_name(struct scratch *s, u32 i, u64 pointer)
{
	u32 at = AT(s) & REC_MASK;

	RAW_AT(s) = at;
	put_user_str(s, i, pointer);
	RAW_LENGTH(s) = (AT(s) & REC_MASK) - at;
}

/* The call's flags; OPENS_ALWAYS for calls that the filter leaves alone. */
#define OPEN_FLAGS(s) (*(volatile u32 *)&(s)->tmp[2])

/*
 * Flags with which an open is no mere reading of a file: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, __O_TMPFILE, and
 * O_DIRECTORY, which is the first of two on x86 and the second on arm64.
 */
#define OPENS_ALWAYS (01 | 02 | 0100 | 01000 | 02000 | 020000000 | 0200000 | 040000)

/* True when the caller's name has two dots in a row; looks at 7 pairs of bytes at a time. */
static __always_inline int has_dots(struct scratch *s)
{
	const u64 low = 0x7f7f7f7f7f7f7f7fULL;

	for (u32 i = 0; i < PATH_SIZE; i += 7) {
		u64 x, dots;

		if (i >= RAW_LENGTH(s))
			break;
		x = word_of(s->rec + ((RAW_AT(s) + i) & REC_MASK)) ^ 0x2e2e2e2e2e2e2e2eULL;
		dots = ~(((x & low) + low) | x | low);
		if (dots & (dots >> 8))
			return 1;
	}
	return 0;
}

/* True when the path in s->path begins with one of the prefixes. */
static __always_inline int prefix_matches(struct scratch *s)
{
	u32 from = PATH_AT(s) & PATH_MASK;
	u32 n = PATH_MASK - from;

	if (n > OPEN_PREFIX)
		n = OPEN_PREFIX;
	if (bpf_probe_read_kernel(s->prefix.text, n, s->path + from))
		return 1;
	s->prefix.bits = 8 * n;
	return bpf_map_lookup_elem(&open_prefixes, &s->prefix) != 0;
}

/* False when no rule can want this open. In doubt it is wanted. */
static __always_inline int open_wanted(struct scratch *s, struct file_facts *facts, struct file *file)
{
	u32 key = 0;
	struct open_filter *filter = bpf_map_lookup_elem(&open_filter, &key);
	struct inode *inode = facts->inode;
	struct open_comm comm = {};

	if (!filter || !filter->enabled || OPEN_FLAGS(s) & OPENS_ALWAYS || RAW_LENGTH(s) <= 1)
		return 1;
	if (FLAGS(s) & (WH_DELETED | WH_MEMFD | WH_TRUNCATED | WH_NOT_PRESENT))
		return 1;
	if (filter->dots && has_dots(s))
		return 1;
	if (s->ret < 0)
		return filter->failed != 0;
	if (!file || !(FLAGS(s) & WH_RESOLVED) || !PATH_AT(s))
		return 1;
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFDIR)
		return 1;
	if (prefix_matches(s))
		return 1;
	bpf_get_current_comm(&comm, sizeof(comm));
	return bpf_map_lookup_elem(&open_comms, &comm) != 0;
}

static __always_inline void open_event(struct scratch *s)
{
	struct file *file = s->ret >= 0 ? file_of(s->ret) : 0;
	struct file_facts *facts = &s->file;
	const u64 *arg = s->arg;
	u32 opened;
	u64 how[3] = {};

	read_file(facts, file);
	opened = opened_flags(facts);
	text_none(s);
	begin_call(s, EXTRA_FILE);
	put_res(s);
	OPEN_FLAGS(s) = OPENS_ALWAYS;
	switch (s->type) {
	case EV_SYSCALL_OPEN_X:
		OPEN_FLAGS(s) = arg[1];
		put_name(s, 1, arg[0]);
		put_u32(s, 2, wire_open_flags(arg[1]) | opened);
		put_u32(s, 3, open_mode(arg[1], arg[2]));
		put_dev_ino(s, 4, facts);
		break;
	case EV_SYSCALL_CREAT_X:
		put_name(s, 1, arg[0]);
		put_u32(s, 2, arg[1] & 07777);
		put_dev_ino(s, 3, facts);
		put_u16(s, 5, opened & PPM_FD_UPPER_LAYER ? PPM_FD_UPPER_LAYER_CREAT : opened & PPM_FD_LOWER_LAYER ? PPM_FD_LOWER_LAYER_CREAT : 0);
		break;
	case EV_SYSCALL_OPENAT_2_X:
		OPEN_FLAGS(s) = arg[2];
		put_int(s, 1, arg[0]);
		put_name(s, 2, arg[1]);
		put_u32(s, 3, wire_open_flags(arg[2]) | opened);
		put_u32(s, 4, open_mode(arg[2], arg[3]));
		put_dev_ino(s, 5, facts);
		break;
	case EV_SYSCALL_OPENAT2_X:
		/* struct open_how: flags, mode, resolve. */
		bpf_probe_read_user(how, sizeof(how), (void *)arg[2]);
		OPEN_FLAGS(s) = how[0];
		put_int(s, 1, arg[0]);
		put_name(s, 2, arg[1]);
		put_u32(s, 3, wire_open_flags(how[0]) | opened);
		put_u32(s, 4, open_mode(how[0], how[1]));
		put_u32(s, 5, wire_resolve(how[2]));
		put_dev_ino(s, 6, facts);
		break;
	case EV_SYSCALL_OPEN_BY_HANDLE_AT_X:
		/* The caller gives no name: the table's parameter is the kernel's. */
		put_int(s, 1, arg[0]);
		put_u32(s, 2, wire_open_flags(arg[2]) | opened);
		RAW_LENGTH(s) = 0;
		break;
	default:
		return;
	}
	if (!file) {
		FLAGS(s) |= WH_UNTRUSTED;
	} else {
		text_file(s, facts);
		if (RAW_LENGTH(s) && s->rec[RAW_AT(s) & REC_MASK] == '/' && (FLAGS(s) & WH_RESOLVED) && name_differs(s))
			FLAGS(s) |= WH_MISMATCH;
	}
	if (!open_wanted(s, facts, file))
		return;
	if (s->type == EV_SYSCALL_OPEN_BY_HANDLE_AT_X) {
		put_path(s, 3);
		put_dev_ino(s, 4, facts);
	}
	put_flags(s, NPARAMS(s));
	put_path(s, NPARAMS(s) + 1);
	put_dev_ino(s, NPARAMS(s) + 2, facts);
	finish(s);
}
