/*
 * System calls that name files without opening them: rename, unlink, mkdir, link, chmod, chown, chdir, mount …
 *
 * When such a call returns there is no kernel object left to ask, so the caller's name is all there is (wh.flags
 * says untrusted). Where it is relative, wh.path is the directory that it starts from, as the kernel knows it; a
 * fifth extra parameter is the same for the second name. Calls on a descriptor, and chdir and chroot, have an object:
 * there wh.path is its own path (resolved).
 */
#pragma once



/* What the walks after the switch start from, for the first and the second name; in memory, so that all cases meet again. */
#define BASE_MNT(s, slot) (*(struct vfsmount *volatile *)&(s)->tmp[2 * (slot)])
#define BASE_DENTRY(s, slot) (*(struct dentry *volatile *)&(s)->tmp[2 * (slot) + 1])

static __always_inline void base_file(struct scratch *s, u32 slot, struct file *file)
{
	BASE_MNT(s, slot) = BPF_CORE_READ(file, f_path.mnt);
	BASE_DENTRY(s, slot) = BPF_CORE_READ(file, f_path.dentry);
}

static __always_inline void base_none(struct scratch *s)
{
	BASE_MNT(s, 0) = BASE_MNT(s, 1) = 0;
	BASE_DENTRY(s, 0) = BASE_DENTRY(s, 1) = 0;
}

static __always_inline void base_cwd(struct scratch *s, u32 slot)
{
	struct task_struct *task = current_task();

	BASE_MNT(s, slot) = BPF_CORE_READ(task, fs, pwd.mnt);
	BASE_DENTRY(s, slot) = BPF_CORE_READ(task, fs, pwd.dentry);
}

/* Where a relative name starts from; nothing for absolute names. */
static __always_inline void base_name(struct scratch *s, u32 slot, s32 dirfd, u64 name)
{
	char first = 0;

	bpf_probe_read_user(&first, 1, (void *)name);
	if (first == '/')
		return;
	if (dirfd == AT_FDCWD)
		base_cwd(s, slot);
	else
		base_file(s, slot, file_of(dirfd));
}

#define EXTRA_NAMES 5

/* The extra parameters behind wh.flags: one path and nothing, dev and ino of a file, or a second path. */
static __always_inline void put_bases(struct scratch *s, u32 nparams, u32 extra, struct file_facts *facts)
{
	for (u32 slot = 0; slot < 2; slot++) {
		text_none(s);
		if (BASE_DENTRY(s, slot))
			text_path(s, BASE_MNT(s, slot), BASE_DENTRY(s, slot));
		u32 length = append_path(s);
		if (slot == 0) {
			set_len(s, nparams + 1, length);
			if (extra == EXTRA_FILE) {
				put_dev_ino(s, nparams + 2, facts);
				break;
			}
			if (extra == EXTRA_PATH)
				break;
			put_empty(s, nparams + 2);
			put_empty(s, nparams + 3);
		} else {
			set_len(s, nparams + 4, length);
		}
	}
}

static __always_inline u32 extra_of(u32 type)
{
	switch (type) {
	case EV_SYSCALL_RENAME_X:
	case EV_SYSCALL_RENAMEAT_X:
	case EV_SYSCALL_RENAMEAT2_X:
	case EV_SYSCALL_LINK_2_X:
	case EV_SYSCALL_LINKAT_2_X:
		return EXTRA_NAMES;
	case EV_SYSCALL_FCHMOD_X:
	case EV_SYSCALL_FCHOWN_X:
	case EV_SYSCALL_FCHDIR_X:
		return EXTRA_FILE;
	}
	return EXTRA_PATH;
}

static __always_inline void paths_event(struct scratch *s)
{
	const u64 *arg = s->arg;
	u32 nparams;
	struct file *file = 0;
	struct file_facts *facts = &s->file;
	s32 dirfd = AT_FDCWD;
	u64 name = arg[0];

	EXTRA(s) = extra_of(s->type);
	begin_call(s, EXTRA(s));
	put_res(s);
	base_none(s);
	if (EXTRA(s) == EXTRA_FILE) {
		file = file_of(arg[0]);
		put_int(s, 1, arg[0]);
	}
	read_file(facts, file);
	switch (s->type) {
	case EV_SYSCALL_RENAME_X:
		put_user_str(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		base_name(s, 1, AT_FDCWD, arg[1]);
		break;
	case EV_SYSCALL_RENAMEAT_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_int(s, 3, arg[2]);
		put_user_str(s, 4, arg[3]);
		dirfd = arg[0];
		name = arg[1];
		base_name(s, 1, arg[2], arg[3]);
		break;
	case EV_SYSCALL_RENAMEAT2_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_int(s, 3, arg[2]);
		put_user_str(s, 4, arg[3]);
		put_u32(s, 5, arg[4]);
		dirfd = arg[0];
		name = arg[1];
		base_name(s, 1, arg[2], arg[3]);
		break;
	case EV_SYSCALL_LINK_2_X:
		put_user_str(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		base_name(s, 1, AT_FDCWD, arg[1]);
		break;
	case EV_SYSCALL_LINKAT_2_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_int(s, 3, arg[2]);
		put_user_str(s, 4, arg[3]);
		put_u32(s, 5, arg[4] & (PPM_LINK_AT_SYMLINK_FOLLOW | PPM_LINK_AT_EMPTY_PATH));
		dirfd = arg[0];
		name = arg[1];
		base_name(s, 1, arg[2], arg[3]);
		break;
	case EV_SYSCALL_SYMLINK_X:
		put_user_str(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		name = arg[1];
		break;
	case EV_SYSCALL_SYMLINKAT_X:
		put_user_str(s, 1, arg[0]);
		put_int(s, 2, arg[1]);
		put_user_str(s, 3, arg[2]);
		dirfd = arg[1];
		name = arg[2];
		break;
	case EV_SYSCALL_UNLINK_2_X:
		put_user_str(s, 1, arg[0]);
		break;
	case EV_SYSCALL_UNLINKAT_2_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_u32(s, 3, arg[2] & PPM_AT_REMOVEDIR);
		dirfd = arg[0];
		name = arg[1];
		break;
	case EV_SYSCALL_RMDIR_2_X:
		put_user_str(s, 1, arg[0]);
		break;
	case EV_SYSCALL_MKDIR_2_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, (u16)arg[1]);
		break;
	case EV_SYSCALL_MKDIRAT_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_u32(s, 3, (u16)arg[2]);
		dirfd = arg[0];
		name = arg[1];
		break;
	case EV_SYSCALL_MKNOD_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, (u16)arg[1]);
		put_u32(s, 3, arg[2]);
		break;
	case EV_SYSCALL_MKNODAT_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_u32(s, 3, (u16)arg[2]);
		put_u32(s, 4, arg[3]);
		dirfd = arg[0];
		name = arg[1];
		break;
	case EV_SYSCALL_CHMOD_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, arg[1] & 07777);
		break;
	case EV_SYSCALL_FCHMODAT_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_u32(s, 3, arg[2] & 07777);
		dirfd = arg[0];
		name = arg[1];
		break;
	case EV_SYSCALL_FCHMOD_X:
		put_u32(s, 2, arg[1] & 07777);
		break;
	case EV_SYSCALL_CHOWN_X:
	case EV_SYSCALL_LCHOWN_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		break;
	case EV_SYSCALL_FCHOWN_X:
		put_u32(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		break;
	case EV_SYSCALL_FCHOWNAT_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		put_u32(s, 4, arg[3]);
		/* AT_SYMLINK_NOFOLLOW is 0x100, and 0x400 on the wire. */
		put_u32(s, 5, (arg[4] & 0x100 ? 0x400 : 0) | (arg[4] & AT_EMPTY_PATH));
		dirfd = arg[0];
		name = arg[1];
		break;
	case EV_SYSCALL_CHDIR_X:
	case EV_SYSCALL_CHROOT_X:
		put_user_str(s, 1, arg[0]);
		break;
	case EV_SYSCALL_FCHDIR_X:
		break;
	case EV_SYSCALL_ACCESS_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		break;
	case EV_SYSCALL_STAT_X:
	case EV_SYSCALL_LSTAT_X:
	case EV_SYSCALL_STAT64_X:
	case EV_SYSCALL_LSTAT64_X:
		put_user_str(s, 1, arg[0]);
		break;
	case EV_SYSCALL_NEWFSTATAT_X:
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_u32(s, 3, arg[3]);
		dirfd = arg[0];
		name = arg[1];
		break;
	case EV_SYSCALL_MOUNT_X:
		put_user_str(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_user_str(s, 3, arg[2]);
		/* The upper half may hold the magic of old callers (MS_MGC_VAL). */
		put_u32(s, 4, (arg[3] & 0xffff0000) == 0xc0ed0000 ? arg[3] & 0xffff : arg[3]);
		name = arg[1];
		break;
	case EV_SYSCALL_UMOUNT_1_X:
		put_user_str(s, 1, arg[0]);
		break;
	case EV_SYSCALL_UMOUNT2_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		break;
	case EV_SYSCALL_GETCWD_X:
		put_user_str(s, 1, s->ret > 0 ? arg[0] : 0);
		break;
	default:
		return;
	}
	if (EXTRA(s) == EXTRA_FILE) {
		if (file) {
			base_file(s, 0, file);
			FLAGS(s) |= WH_RESOLVED | (opened_as_directory(file) ? WH_DIRECTORY : 0);
		}
	} else if (s->type == EV_SYSCALL_CHDIR_X && s->ret == 0) {
		base_cwd(s, 0);
		FLAGS(s) |= WH_RESOLVED;
	} else {
		base_name(s, 0, dirfd, name);
		FLAGS(s) |= WH_UNTRUSTED;
	}
	nparams = NPARAMS(s);
	put_flags(s, nparams);
	put_bases(s, nparams, EXTRA(s), facts);
	finish(s);
}
