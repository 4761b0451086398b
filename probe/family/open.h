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

/* Of calls whose flags the filter does not look at. */
#define OPENS_ALWAYS (~0ULL)

/* Flags with which an open is no mere reading: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, __O_TMPFILE. */
#define MORE_THAN_READING (01 | 02 | 0100 | 01000 | 02000 | 020000000)

static __always_inline u64 open_flags(struct scratch *s)
{
	u64 how = OPENS_ALWAYS;

	switch (s->type) {
	case EV_SYSCALL_OPEN_X:
		return s->arg[1];
	case EV_SYSCALL_OPENAT_2_X:
		return s->arg[2];
	case EV_SYSCALL_OPENAT2_X:
		bpf_probe_read_user(&how, sizeof(how), (void *)s->arg[2]);
	}
	return how;
}

/* 0x80 in every byte of `word` that is `byte`. */
static __always_inline u64 bytes_equal(u64 word, u8 byte)
{
	const u64 low = 0x7f7f7f7f7f7f7f7fULL;
	u64 x = word ^ (byte * 0x0101010101010101ULL);

	return ~(((x & low) + low) | x | low);
}

/* True when the caller's name, read into `rec` for this, has two dots in a row, or could not be read; looks at 7 pairs of bytes at a time. */
static __always_inline int has_dots(struct scratch *s)
{
	long n = read_user_str(s->rec, PATH_SIZE, s->type == EV_SYSCALL_OPEN_X ? s->arg[0] : s->arg[1]);

	if (n < 0)
		return 1;
	RAW_LENGTH(s) = n;
	for (u32 i = 0; i < PATH_SIZE; i += 7) {
		u64 dots;

		if (i >= RAW_LENGTH(s))
			break;
		dots = bytes_equal(word_of(s->rec + i), '.');
		if (dots & (dots >> 8))
			return 1;
	}
	return 0;
}

/* True when a component of the path in s->path begins with a dot. */
static __always_inline int has_hidden(struct scratch *s)
{
	for (u32 i = 0; i < PATH_SIZE; i += 7) {
		u64 word;

		if (i >= PATH_SIZE - (PATH_AT(s) & PATH_MASK))
			break;
		word = word_of(s->path + ((PATH_AT(s) + i) & PATH_MASK));
		if (bytes_equal(word, '/') & (bytes_equal(word, '.') >> 8))
			return 1;
	}
	return 0;
}

/* True when the path in s->path begins with one of the prefixes. */
static __always_inline int prefix_matches(struct scratch *s)
{
	struct open_prefix *key = prefix_key(s);
	u32 *found;

	if (!key)
		return 1;
	found = bpf_map_lookup_elem(&open_prefixes, key);
	return found && (!(*found & ASKS_HIDDEN) || has_hidden(s)) && (!(*found & ASKS_DOTS) || has_dots(s));
}

/* The first and the last component of a path, of which the filter looks first; in memory, for the verifier. */
#define FIRST_DENTRY(s) (*(struct dentry *volatile *)&(s)->tmp[3])
#define LAST_DENTRY(s) (*(struct dentry *volatile *)&(s)->tmp[4])

/* A member of a kernel structure: by a load, where the pointer came of a cast, or by the helper. */
#define READ(cast, pointer, member) ((cast) ? (pointer)->member : BPF_CORE_READ(pointer, member))

/* Finds both in the path of the file, as text_path does; 0: there is none, or it is a long way. Names are not read on the way. */
static __always_inline int find_ends(struct scratch *s, struct file *opened, const int cast)
{
	u32 mnt_offset = OFFSET_OF(struct mount, mnt);
	struct file *file = cast ? CAST(struct file, opened) : opened;
	struct dentry *dentry = READ(cast, file, f_path.dentry), *parent, *mnt_root;
	u64 mount = (u64)READ(cast, file, f_path.mnt) - mnt_offset;
	struct mount *mnt = cast ? CAST(struct mount, mount) : (void *)mount;
	struct path root = {};

	root_of_current(&root);
	mnt_root = READ(cast, mnt, mnt.mnt_root);
	LAST_DENTRY(s) = 0;
	for (int i = 0; i < COMPONENTS; i++) {
		if (dentry == root.dentry && (u64)mnt + mnt_offset == (u64)root.mnt)
			return LAST_DENTRY(s) != 0;
		parent = READ(cast, dentry, d_parent);
		if (dentry == parent || dentry == mnt_root) {
			struct mount *up = READ(cast, mnt, mnt_parent);
			if (up == mnt)
				return LAST_DENTRY(s) != 0;
			dentry = READ(cast, mnt, mnt_mountpoint);
			mnt = up;
			mnt_root = READ(cast, mnt, mnt.mnt_root);
			continue;
		}
		if (!LAST_DENTRY(s))
			LAST_DENTRY(s) = dentry;
		FIRST_DENTRY(s) = dentry;
		dentry = parent;
	}
	return 0;
}

struct name {
	const unsigned char *text;
	u32 length;
};

static __always_inline void name_of(struct name *name, struct dentry *dentry)
{
	if (CAN_CAST) {
		dentry = CAST(struct dentry, dentry);
		name->text = dentry->d_name.name;
		name->length = dentry->d_name.len & 255;
		return;
	}
	name->text = BPF_CORE_READ(dentry, d_name.name);
	name->length = BPF_CORE_READ(dentry, d_name.len) & 255;
}

/* Eight bytes; names shorter than that stand in the dentry, with room behind them. */
static __always_inline u64 word_at(const unsigned char *text)
{
	u64 word = 0;

	if (CAN_CAST)
		return CAST_U64(text);
	bpf_probe_read_kernel(&word, sizeof(word), text);
	return word;
}

/* The last eight bytes of '/' and the last component, zeros before them where there are fewer. */
static __always_inline u64 tail_of(struct scratch *s)
{
	struct name name;

	name_of(&name, LAST_DENTRY(s));
	if (name.length >= 8)
		return word_at(name.text + name.length - 8);
	return (word_at(name.text) << 8 | '/') << (56 - 8 * name.length);
}

enum look { LOOK_UNWANTED, LOOK_CLOSER, LOOK_WANTED };

/* Whether a rule can want this open, as far as can be told without its path: LOOK_CLOSER: if a prefix matches. In doubt it is wanted. */
static __always_inline enum look first_look(struct scratch *s, struct open_filter *filter, struct file *file)
{
	struct fd_table *table;
	struct name top;
	u64 tail;

	if (open_flags(s) & MORE_THAN_READING || (filter->compat && s->compat))
		return LOOK_WANTED;
	if (s->ret < 0)
		return filter->failed == FAILED_ALL || (filter->failed == FAILED_DOTS && has_dots(s)) ? LOOK_WANTED : LOOK_UNWANTED;
	table = fd_table_of(current_tgid());
	if (s->ret <= 2 || !table || !fd_unknown(table, s->ret) || !file || is_program_wanted(filter, table) || !(CAN_CAST ? find_ends(s, file, 1) : find_ends(s, file, 0)))
		return LOOK_WANTED;
	tail = tail_of(s);
	if (bit_of(filter->tail8, TAIL_HASH(tail)) || bit_of(filter->tail4, TAIL_HASH(tail >> 32)))
		return LOOK_WANTED;
	if (filter->dots && has_dots(s))
		return LOOK_WANTED;
	name_of(&top, FIRST_DENTRY(s));
	return bit_of(filter->first, (u16)word_at(top.text)) ? LOOK_CLOSER : LOOK_UNWANTED;
}

/* The directory that a relative name of a failed call starts from. */
static __always_inline void text_base(struct scratch *s)
{
	struct fs_struct *fs = BPF_CORE_READ(current_task(), fs);
	s32 dirfd = s->type == EV_SYSCALL_OPEN_X || s->type == EV_SYSCALL_CREAT_X ? AT_FDCWD : (s32)s->arg[0];
	struct file *file = dirfd == AT_FDCWD ? 0 : file_of(dirfd);
	struct path path = {};

	if (file)
		bpf_core_read(&path, sizeof(path), &file->f_path);
	else if (dirfd == AT_FDCWD)
		bpf_core_read(&path, sizeof(path), &fs->pwd);
	if (path.dentry)
		text_path(s, path.mnt, path.dentry);
}

static __always_inline void open_event(struct scratch *s)
{
	u32 key = 0;
	struct open_filter *filter = bpf_map_lookup_elem(&open_filter, &key);
	struct file *file = s->ret >= 0 ? file_of(s->ret) : 0;
	struct file_facts *facts = &s->file;
	const u64 *arg = s->arg;
	enum look look = LOOK_WANTED;
	u32 opened;
	u64 how[3] = {};

	if (filter && filter->enabled)
		look = first_look(s, filter, file);
	if (look == LOOK_UNWANTED)
		return;
	read_file(facts, file);
	text_none(s);
	if (file)
		text_file(s, facts);
	if (look == LOOK_CLOSER && PATH_AT(s) && !(FLAGS(s) & WH_TRUNCATED) && !prefix_matches(s))
		return;
	if (filter && filter->enabled && s->ret >= 0)
		fd_mark(fd_table_of(current_tgid()), s->ret, 0);
	opened = opened_flags(facts);
	begin_call(s, EXTRA_FILE);
	put_res(s);
	switch (s->type) {
	case EV_SYSCALL_OPEN_X:
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
		put_int(s, 1, arg[0]);
		put_name(s, 2, arg[1]);
		put_u32(s, 3, wire_open_flags(arg[2]) | opened);
		put_u32(s, 4, open_mode(arg[2], arg[3]));
		put_dev_ino(s, 5, facts);
		break;
	case EV_SYSCALL_OPENAT2_X:
		/* struct open_how: flags, mode, resolve. */
		bpf_probe_read_user(how, sizeof(how), (void *)arg[2]);
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
		put_path(s, 3);
		put_dev_ino(s, 4, facts);
		RAW_LENGTH(s) = 0;
		break;
	default:
		return;
	}
	if (!file) {
		FLAGS(s) |= WH_UNTRUSTED;
		if (RAW_LENGTH(s) > 1 && s->rec[RAW_AT(s) & REC_MASK] != '/')
			text_base(s);
	} else if (RAW_LENGTH(s) && s->rec[RAW_AT(s) & REC_MASK] == '/' && (FLAGS(s) & WH_RESOLVED) && name_differs(s)) {
		FLAGS(s) |= WH_MISMATCH;
	}
	put_flags(s, NPARAMS(s));
	put_path(s, NPARAMS(s) + 1);
	put_dev_ino(s, NPARAMS(s) + 2, facts);
	finish(s);
}
