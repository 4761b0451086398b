/*
 * Names that the kernel gives: dentry walks across mount points, files by descriptor.
 *
 * text_* write the name right-aligned into s->path and set s->path_at (0: none).
 */
#pragma once

#define COMPONENTS 64
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define FMODE_CREATED 0x100000
#define OVERLAYFS_MAGIC 0x794c7630

#define PATH_AT(s) (*(volatile u32 *)&(s)->path_at)

static __always_inline void text_none(struct scratch *s)
{
	PATH_AT(s) = 0;
}

/*
 * The path of (mnt, dentry) as the current process sees it: up to its root directory. Past it (a file that
 * was opened before a chroot, or of another mount namespace) the walk goes on to the top of the mounts.
 */
static __always_inline void text_path_from(struct scratch *s, struct vfsmount *vfsmount, struct dentry *dentry, struct fs_struct *fs)
{
	struct dentry *root = BPF_CORE_READ(fs, root.dentry);
	struct vfsmount *root_mnt = BPF_CORE_READ(fs, root.mnt);
	u32 mnt_offset = bpf_core_field_offset(struct mount, mnt);
	struct mount *mnt = (void *)vfsmount - mnt_offset;

	PATH_AT(s) = PATH_MASK;
	s->path[PATH_MASK] = 0;
	for (int i = 0; i < COMPONENTS; i++) {
		if (dentry == root && (void *)mnt + mnt_offset == (void *)root_mnt)
			break;
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		if (dentry == parent || dentry == BPF_CORE_READ(mnt, mnt.mnt_root)) {
			struct mount *up = BPF_CORE_READ(mnt, mnt_parent);
			if (up == mnt)
				break;
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = up;
			continue;
		}
		u32 len = BPF_CORE_READ(dentry, d_name.len) & 255;
		u32 at = PATH_AT(s) & PATH_MASK;
		if (len + 1 > at || i == COMPONENTS - 1) {
			FLAGS(s) |= WH_TRUNCATED;
			break;
		}
		at -= len;
		bpf_probe_read_kernel(s->path + (at & PATH_MASK), len, BPF_CORE_READ(dentry, d_name.name));
		at -= 1;
		s->path[at & PATH_MASK] = '/';
		PATH_AT(s) = at & PATH_MASK;
		dentry = parent;
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

static __always_inline void text_path(struct scratch *s, struct vfsmount *vfsmount, struct dentry *dentry)
{
	text_path_from(s, vfsmount, dentry, BPF_CORE_READ(current_task(), fs));
}

/* Directory that a relative name starts from: 0 working directory, 1 root directory. */
static __always_inline void text_cwd(struct scratch *s, struct fs_struct *fs)
{
	text_path_from(s, BPF_CORE_READ(fs, pwd.mnt), BPF_CORE_READ(fs, pwd.dentry), fs);
}

/* The open file behind a descriptor of the current process. */
static __always_inline struct file *file_of(u64 fd)
{
	struct fdtable *table = BPF_CORE_READ(current_task(), files, fdt);
	struct file **slots = BPF_CORE_READ(table, fd), *file = 0;
	u32 index = (u32)fd;

	if (index >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), slots + index);
	return file;
}

/* dev_t as user space knows it (new_encode_dev, include/linux/kdev_t.h). */
static __always_inline u32 encode_dev(u32 dev)
{
	u32 major = dev >> 20, minor = dev & 0xfffff;
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
}

/* A pseudo file has a name that is no path: its dentry is its own parent. True when that name starts with "memfd:". */
static __always_inline int is_memfd(struct dentry *dentry)
{
	u64 name = 0;

	if (BPF_CORE_READ(dentry, d_parent) != dentry)
		return 0;
	bpf_probe_read_kernel(&name, 6, BPF_CORE_READ(dentry, d_name.name));
	return name == 0x3a64666d656dULL; /* "memfd:" */
}

static __always_inline int is_deleted(struct dentry *dentry, struct inode *inode)
{
	if (BPF_CORE_READ(dentry, d_parent) == dentry)
		return 0;
	return !BPF_CORE_READ(dentry, d_hash.pprev) || !BPF_CORE_READ(inode, i_nlink);
}

enum layer { LAYER_NONE, LAYER_UPPER, LAYER_LOWER };

/* Which layer of an overlay a file comes from. The upper dentry stands right behind the inode that overlayfs embeds. */
static __always_inline enum layer layer_of(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_path.dentry, d_inode);
	void *upper = 0;

	if (BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return LAYER_NONE;
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_field_size(struct socket_alloc, vfs_inode));
	return upper ? LAYER_UPPER : LAYER_LOWER;
}

/* Resolves an open file into s->path and sets the flags that go with it. */
static __always_inline void text_file(struct scratch *s, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	u32 flags = WH_RESOLVED;

	if (is_memfd(dentry))
		flags |= WH_MEMFD;
	else if (is_deleted(dentry, BPF_CORE_READ(file, f_inode)))
		flags |= WH_DELETED;
	FLAGS(s) |= flags;
	if (BPF_CORE_READ(dentry, d_parent) == dentry && dentry != BPF_CORE_READ(file, f_path.mnt, mnt_root)) {
		/* Pseudo file: its name as it is (memfd:x), nothing for pipes and sockets. */
		u32 len = BPF_CORE_READ(dentry, d_name.len) & 255;
		u32 at = PATH_MASK - len;
		if (!len) {
			FLAGS(s) &= ~WH_RESOLVED;
			text_none(s);
			return;
		}
		s->path[PATH_MASK] = 0;
		bpf_probe_read_kernel(s->path + (at & PATH_MASK), len, BPF_CORE_READ(dentry, d_name.name));
		PATH_AT(s) = at & PATH_MASK;
		return;
	}
	text_path(s, BPF_CORE_READ(file, f_path.mnt), dentry);
}

/* The extra parameters of an event about an open file (0: none, as after a failure), and the end of the event. */
static __always_inline void finish_file(struct scratch *s, u32 nparams, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	if (file)
		text_file(s, file);
	else
		text_none(s);
	put_flags(s, nparams);
	put_path(s, nparams + 1);
	put_u32(s, nparams + 2, encode_dev(BPF_CORE_READ(inode, i_sb, s_dev)));
	put_u64(s, nparams + 3, BPF_CORE_READ(inode, i_ino));
	finish(s);
}
