/*
 * Names that the kernel gives: dentry walks across mount points, files by descriptor.
 *
 * text_* write the name right-aligned into s->path and set s->path_at (0: none).
 */
#pragma once

#define AT_FDCWD -100
#define COMPONENTS 48
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFDIR 0040000
#define FMODE_CREATED 0x100000
#define OVERLAYFS_MAGIC 0x794c7630

#define PATH_AT(s) (*(volatile u32 *)&(s)->path_at)

static __always_inline void text_none(struct scratch *s)
{
	PATH_AT(s) = 0;
}

#define OFFSET_OF(type, member) bpf_core_field_offset(type, member)

/*
 * Since 6.2 an address can be given a type, and what is behind it be read by plain loads, too (which give 0 where nothing
 * can be read): a tenth of what a helper takes. The function is called only where CAN_CAST is true.
 */
extern void *bpf_rdonly_cast(const void *pointer, u32 type) __attribute__((section(".ksyms")));
#define CAN_CAST (c_casts && bpf_core_enum_value_exists(enum special_kfunc_type, KF_bpf_rdonly_cast))
#define CAST(type, pointer) ((type *)bpf_rdonly_cast((const void *)(pointer), bpf_core_type_id_kernel(type)))
/* Eight bytes; a structure that begins with a number of that size stands for them. */
#define CAST_U64(pointer) ((u64)CAST(struct timespec64, pointer)->tv_sec)

/* The layout is the same on every kernel so far; should it change, the members are read one by one. */
static __always_inline void read_dentry(struct dentry_head *head, struct dentry *dentry)
{
	if (OFFSET_OF(struct dentry, d_parent) == OFFSET_OF(struct dentry, d_hash) + 16 &&
	    OFFSET_OF(struct dentry, d_name.len) == OFFSET_OF(struct dentry, d_hash) + 28 &&
	    OFFSET_OF(struct dentry, d_name.name) == OFFSET_OF(struct dentry, d_hash) + 32) {
		bpf_probe_read_kernel(head, sizeof(*head), (void *)dentry + OFFSET_OF(struct dentry, d_hash));
		return;
	}
	head->pprev = BPF_CORE_READ(dentry, d_hash.pprev);
	head->parent = BPF_CORE_READ(dentry, d_parent);
	head->len = BPF_CORE_READ(dentry, d_name.len);
	head->name = BPF_CORE_READ(dentry, d_name.name);
}

/*
 * The path of (mnt, dentry) as the current process sees it: up to its root directory. Past it (a file that
 * was opened before a chroot, or of another mount namespace) the walk goes on to the top of the mounts.
 */
static __always_inline void text_path_from(struct scratch *s, struct vfsmount *vfsmount, struct dentry *dentry, struct fs_struct *fs)
{
	struct path root = {};
	u32 mnt_offset = OFFSET_OF(struct mount, mnt);
	struct mount *mnt = (void *)vfsmount - mnt_offset;
	struct dentry *mnt_root = BPF_CORE_READ(vfsmount, mnt_root);
	struct dentry_head head = {};

	bpf_core_read(&root, sizeof(root), &fs->root);
	PATH_AT(s) = PATH_MASK;
	s->path[PATH_MASK] = 0;
	for (int i = 0; i < COMPONENTS; i++) {
		if (dentry == root.dentry && (void *)mnt + mnt_offset == (void *)root.mnt)
			break;
		read_dentry(&head, dentry);
		if (dentry == head.parent || dentry == mnt_root) {
			struct mount *up = BPF_CORE_READ(mnt, mnt_parent);
			if (up == mnt)
				break;
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = up;
			mnt_root = BPF_CORE_READ(mnt, mnt.mnt_root);
			continue;
		}
		u32 len = head.len & 255;
		u32 at = PATH_AT(s) & PATH_MASK;
		if (len + 1 > at || i == COMPONENTS - 1) {
			FLAGS(s) |= WH_TRUNCATED;
			break;
		}
		at -= len;
		bpf_probe_read_kernel(s->path + (at & PATH_MASK), len, head.name);
		at -= 1;
		s->path[at & PATH_MASK] = '/';
		PATH_AT(s) = at & PATH_MASK;
		dentry = head.parent;
	}
	if (PATH_AT(s) == PATH_MASK) {
		s->path[PATH_MASK - 1] = '/';
		PATH_AT(s) = PATH_MASK - 1;
	}
}

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/*
 * True where the current task can be had with its type: its members are then read by plain loads, which cost a fraction
 * of a call of a helper. What is behind a pointer to a pointer, and members that the kernel marks as volatile in the
 * sense of RCU, still need it or a test for NULL.
 */
#define HAS_TYPED_TASK bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)

static __always_inline void text_path(struct scratch *s, struct vfsmount *vfsmount, struct dentry *dentry)
{
	text_path_from(s, vfsmount, dentry, BPF_CORE_READ(current_task(), fs));
}

/* The root directory of the current process. */
static __always_inline void root_of_current(struct path *root)
{
	struct fs_struct *fs;

	if (HAS_TYPED_TASK) {
		struct task_struct *task = (void *)bpf_get_current_task_btf();

		fs = task->fs;
		if (!fs)
			return;
		root->mnt = fs->root.mnt;
		root->dentry = fs->root.dentry;
		return;
	}
	fs = BPF_CORE_READ(current_task(), fs);
	bpf_core_read(root, sizeof(*root), &fs->root);
}

/* Directory that a relative name starts from: 0 working directory, 1 root directory. */
static __always_inline void text_cwd(struct scratch *s, struct fs_struct *fs)
{
	text_path_from(s, BPF_CORE_READ(fs, pwd.mnt), BPF_CORE_READ(fs, pwd.dentry), fs);
}

/* The open file behind a descriptor of the current process. */
static __always_inline struct file *file_of(u64 fd)
{
	struct fdtable *table, copy = {};
	struct file *file = 0;
	u32 index = (u32)fd;

	if (HAS_TYPED_TASK) {
		struct task_struct *task = (void *)bpf_get_current_task_btf();
		struct files_struct *files = task->files;

		if (!files)
			return 0;
		table = files->fdt;
		if (!table || index >= table->max_fds)
			return 0;
		if (CAN_CAST)
			return (void *)CAST_U64(table->fd + index);
		bpf_probe_read_kernel(&file, sizeof(file), table->fd + index);
		return file;
	}
	table = BPF_CORE_READ(current_task(), files, fdt);
	if (OFFSET_OF(struct fdtable, fd) == OFFSET_OF(struct fdtable, max_fds) + 8) {
		bpf_core_read(&copy, sizeof(copy), &table->max_fds);
	} else {
		copy.max_fds = BPF_CORE_READ(table, max_fds);
		copy.fd = BPF_CORE_READ(table, fd);
	}
	if (index >= copy.max_fds)
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), copy.fd + index);
	return file;
}

/* dev_t as user space knows it (new_encode_dev, include/linux/kdev_t.h). */
static __always_inline u32 encode_dev(u32 dev)
{
	u32 major = dev >> 20, minor = dev & 0xfffff;
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
}

/* Which layer of an overlay a file comes from. The upper dentry stands right behind the inode that overlayfs embeds. */
static __always_inline enum layer layer_of(struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	void *upper = 0;

	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_field_size(struct socket_alloc, vfs_inode));
	return upper ? LAYER_UPPER : LAYER_LOWER;
}

/* Zeros for no file. */
static __always_inline void read_file(struct file_facts *facts, struct file *file)
{
	struct super_block *sb;
	struct inode *inode;

	__builtin_memset(facts, 0, sizeof(*facts));
	if (!file)
		return;
	bpf_core_read(&facts->path, sizeof(facts->path), &file->f_path);
	inode = BPF_CORE_READ(file, f_inode);
	facts->inode = inode;
	facts->f_mode = BPF_CORE_READ(file, f_mode);
	facts->ino = BPF_CORE_READ(inode, i_ino);
	facts->nlink = BPF_CORE_READ(inode, i_nlink);
	sb = BPF_CORE_READ(inode, i_sb);
	facts->dev = encode_dev(BPF_CORE_READ(sb, s_dev));
	if (BPF_CORE_READ(sb, s_magic) == OVERLAYFS_MAGIC)
		facts->layer = layer_of(facts->path.dentry);
	read_dentry(&facts->head, facts->path.dentry);
}

/* A pseudo file has a name that is no path: its dentry is its own parent. True when that name starts with "memfd:". */
static __always_inline int is_memfd(struct file_facts *facts)
{
	u64 name = 0;

	if (facts->head.parent != facts->path.dentry)
		return 0;
	bpf_probe_read_kernel(&name, 6, facts->head.name);
	return name == 0x3a64666d656dULL; /* "memfd:" */
}

/* Resolves an open file into s->path and sets the flags that go with it. */
static __always_inline void text_file(struct scratch *s, struct file_facts *facts)
{
	struct vfsmount *mnt = facts->path.mnt;
	int pseudo = facts->head.parent == facts->path.dentry && facts->path.dentry != BPF_CORE_READ(mnt, mnt_root);
	u32 flags = WH_RESOLVED;

	if (is_memfd(facts))
		flags |= WH_MEMFD;
	else if (facts->head.parent != facts->path.dentry && (!facts->head.pprev || !facts->nlink))
		flags |= WH_DELETED;
	if (pseudo) {
		/* Its name as it is (memfd:x), nothing for pipes and sockets. */
		u32 len = facts->head.len & 255;
		u32 at = PATH_MASK - len;
		if (!len) {
			text_none(s);
			return;
		}
		s->path[PATH_MASK] = 0;
		bpf_probe_read_kernel(s->path + (at & PATH_MASK), len, facts->head.name);
		PATH_AT(s) = at & PATH_MASK;
	} else {
		text_path(s, mnt, facts->path.dentry);
	}
	FLAGS(s) |= flags;
}

static __always_inline void put_dev_ino(struct scratch *s, u32 i, struct file_facts *facts)
{
	put_u32(s, i, facts->dev);
	put_u64(s, i + 1, facts->ino);
}

/* O_DIRECTORY is the first of these on x86 and the second on arm64. */
static __always_inline int opened_as_directory(struct file *file)
{
	return (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFDIR && (BPF_CORE_READ(file, f_flags) & (0200000 | 040000));
}

/* The extra parameters of an event about an open file (0: none, as after a failure), and the end of the event. */
static __always_inline void finish_file(struct scratch *s, u32 nparams, struct file *file)
{
	struct file_facts *facts = &s->file;

	read_file(facts, file);
	text_none(s);
	if (file) {
		text_file(s, facts);
		if (opened_as_directory(file))
			FLAGS(s) |= WH_DIRECTORY;
	}
	put_flags(s, nparams);
	put_path(s, nparams + 1);
	put_dev_ino(s, nparams + 2, facts);
	finish(s);
}
