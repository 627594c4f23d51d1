// SPDX-License-Identifier: GPL-2.0-or-later
/* The file system of a box: the host's tree, read-only, noexec and nodev, and mounted on it the few
 * places where more is allowed. Flags are only added: a host's read-only or noexec mount stays
 * so. */
#include "agentctl/confine/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"

#define SMALL_TMPFS (1u << 20)
#define NOTHING     (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
				      "/dev/urandom"};
static int device_fd[ARRAY_SIZE(devices)] = {-1, -1, -1, -1, -1};

static int set(int fd, const char *path, unsigned flags, uint64_t attributes)
{
	struct mount_attr a = {.attr_set = attributes};

	return syscall(SYS_mount_setattr, fd, path, flags, &a, sizeof(a)) < 0 ? -errno : 0;
}

int tree_open(const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static int tree_clone(const char *path)
{
	_cleanup_close_ int at = tree_open(path);

	return at < 0 ? -1
		      : (int)syscall(SYS_open_tree, at, "",
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
					 AT_EMPTY_PATH);
}

static int attach(int fd, const char *path)
{
	_cleanup_close_ int at = tree_open(path);

	return at < 0 || syscall(SYS_move_mount, fd, "", at, "",
				 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		   ? -errno
		   : 0;
}

int tree_take(const char *path, enum right how, int *ret_fd, struct err *e)
{
	static const uint64_t flags[] = {
	    [RIGHT_READ] = NOTHING,
	    [RIGHT_WRITE] = NOTHING & ~(uint64_t)MOUNT_ATTR_RDONLY,
	    [RIGHT_EXEC] = NOTHING & ~(uint64_t)MOUNT_ATTR_NOEXEC,
	};
	_cleanup_close_ int fd = tree_clone(path);
	struct statvfs fs;
	int r = fd < 0 ? -errno : set(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, flags[how]);

	if (r < 0)
		return err_set(e, -r, "cannot take '%s' into the box: %s", path, strerror(-r));
	if (fstatvfs(fd, &fs) < 0)
		return err_set(e, errno, "cannot look at '%s': %s", path, strerror(errno));
	if (how == RIGHT_WRITE && (fs.f_flag & ST_RDONLY))
		return err_set(e, EROFS,
			       "write: '%s' is on a file system that is mounted read-only", path);
	if (how == RIGHT_EXEC && (fs.f_flag & ST_NOEXEC))
		return err_set(e, EACCES, "exec: '%s' is on a file system that is mounted noexec",
			       path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int tree_take_devices(struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		device_fd[i] = tree_clone(devices[i]);
		if (device_fd[i] < 0 ||
		    set(device_fd[i], "", AT_EMPTY_PATH, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC) < 0)
			return err_set(e, errno, "cannot take '%s' into the box: %s", devices[i],
				       strerror(errno));
	}
	return 0;
}

int tree_close_down(struct err *e)
{
	int r = set(AT_FDCWD, "/", AT_RECURSIVE, NOTHING);

	return r < 0 ? err_set(e, -r, "cannot make the file system read-only: %s", strerror(-r))
		     : 0;
}

/* In a new, empty directory the mount point must be made first. */
static int make_place(int fd, const char *path, struct err *e)
{
	char buf[PATH_MAX];
	struct stat st;
	_cleanup_close_ int file = -1;

	if (fstat(fd, &st) < 0 || (size_t)snprintf(buf, sizeof(buf), "%s", path) >= sizeof(buf))
		return err_set(e, ENAMETOOLONG, "the path '%s' is too long", path);
	for (char *slash = strchr(buf + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(buf, 0755) < 0 && errno != EEXIST && errno != EROFS)
			return err_set(e, errno, "cannot make '%s': %s", buf, strerror(errno));
		*slash = '/';
	}
	if (S_ISDIR(st.st_mode) ? mkdir(buf, 0755) < 0
				: (file = open(buf, O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0)
		return err_set(e, errno, "cannot make '%s': %s", buf, strerror(errno));
	return 0;
}

int tree_attach(int fd, const char *path, struct err *e)
{
	int r = attach(fd, path);

	if (r == -ENOENT && (r = make_place(fd, path, e)) == 0)
		r = attach(fd, path);
	else if (r == -ENOENT)
		return r;
	return r < 0 ? err_set(e, -r, "cannot mount '%s': %s", path, strerror(-r)) : 0;
}

/* The working directory still shows the tree below the library's mount, where everything is noexec:
 * from there each of the named directories is mounted over the library's executable one. */
int tree_library(int fd, const char *path, const char *names, size_t bytes, struct err *e)
{
	char above[PATH_MAX + NAME_MAX + 2];
	int r = chdir(path) < 0 ? err_set(e, errno, "cannot open '%s': %s", path, strerror(errno))
				: tree_attach(fd, path, e);

	for (const char *n = names; r == 0 && n < names + bytes; n += strlen(n) + 1) {
		snprintf(above, sizeof(above), "%s/%s", path, n);
		if (mount(n, above, NULL, MS_BIND, NULL) < 0)
			r = err_set(e, errno, "cannot close '%s': %s", above, strerror(errno));
	}
	return r;
}

/* ---- new file systems ------------------------------------------------------------------------ */

static int configure(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* A file system of its own that is mounted nowhere yet. */
static int make(const char *type, uint64_t bytes, const char *mode, uint64_t attributes)
{
	_cleanup_close_ int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	char size[32];
	int fs;

	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	if (context < 0 || (bytes && configure(context, "size", size) < 0) ||
	    (mode && configure(context, "mode", mode) < 0) ||
	    syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fs = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	return fs < 0 ? -errno : fs;
}

int tree_tmpfs(const char *path, uint64_t bytes, struct err *e)
{
	/* with 0 bytes it is a directory for mounts: only its owner writes there */
	_cleanup_close_ int fd = make("tmpfs", bytes ? bytes : SMALL_TMPFS, bytes ? "1777" : "0755",
				      NOTHING & ~(uint64_t)MOUNT_ATTR_RDONLY);
	int r = fd < 0 ? -errno : attach(fd, path);

	return r < 0 ? err_set(e, -r, "cannot mount an empty '%s': %s", path, strerror(-r)) : 0;
}

int tree_devices(struct err *e)
{
	static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
					       {"/proc/self/fd/0", "/dev/stdin"},
					       {"/proc/self/fd/1", "/dev/stdout"},
					       {"/proc/self/fd/2", "/dev/stderr"}};
	int r = tree_tmpfs("/dev", 0, e);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(devices); i++) {
		r = tree_attach(device_fd[i], devices[i], e);
		close(steal_fd(&device_fd[i]));
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			r = err_set(e, errno, "cannot make '%s': %s", links[i][1], strerror(errno));
	if (r == 0 && mkdir("/dev/shm", 0755) < 0)
		r = err_set(e, errno, "cannot make /dev/shm: %s", strerror(errno));
	return r;
}

int tree_proc(struct err *e)
{
	_cleanup_close_ int fd = make("proc", 0, NULL, NOTHING);
	int r = fd < 0 ? -errno : attach(fd, "/proc");

	return r < 0 ? err_set(e, -r, "cannot mount a /proc of its own: %s", strerror(-r)) : 0;
}

/* A file that nobody may read, of a file system of its own. Before Linux 6.15 only a part of a
 * mounted file system can be cloned: so it is mounted for a moment, on a directory of the box's. */
static int unreadable_file(void)
{
	static const char place[] = "/dev/shm";
	_cleanup_close_ int fs =
	    make("tmpfs", SMALL_TMPFS, "0700", NOTHING & ~(uint64_t)MOUNT_ATTR_RDONLY);
	_cleanup_close_ int file =
	    fs < 0 ? fs : openat(fs, "denied", O_CREAT | O_WRONLY | O_CLOEXEC, 0);
	_cleanup_close_ int fd = -1;
	int r = file < 0 ? -errno : attach(fs, place);

	if (r < 0)
		return r;
	fd = (int)syscall(SYS_open_tree, fs, "denied", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || umount2(place, MNT_DETACH) < 0)
		return -errno;
	r = set(fd, "", AT_EMPTY_PATH, NOTHING);
	return r < 0 ? r : steal_fd(&fd);
}

int tree_deny(const char *path, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return errno == ENOENT
			   ? 0
			   : err_set(e, errno, "cannot look at '%s': %s", path, strerror(errno));
	fd = S_ISDIR(st.st_mode) ? make("tmpfs", SMALL_TMPFS, "0000", NOTHING) : unreadable_file();
	r = fd < 0 ? fd : attach(fd, path);
	return r < 0 ? err_set(e, -r, "cannot close '%s': %s", path, strerror(-r)) : 0;
}
