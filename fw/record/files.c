// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/record/capture_end.h"
#include "policy/base/cleanup.h"

static int check_dir(int dir, const char *path, struct stat *ret, struct err *e)
{
	char word[400];

	if (fstat(dir, ret) < 0)
		return err_set(e, errno, "cannot look at '%s': %s", path, strerror(errno));
	/* A user who can write to the directory can replace our files; in a sticky directory, make
	 * them before us. */
	if (ret->st_mode & (S_IWGRP | S_IWOTH)) {
		err_set(e, EPERM, "users other than its owner can write to '%s'", path);
		return err_hint(e, "chmod go-w %s, or name another directory for the log",
				str_word(word, sizeof(word), path));
	}
	if (ret->st_uid != 0 && geteuid() != 0 && ret->st_uid != geteuid()) {
		err_set(e, EPERM, "'%s' belongs to another user", path);
		return err_hint(e, "name another directory for the log");
	}
	return 0;
}

static int check_file(int fd, const struct stat *dir, const char *path, const char *name,
		      struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot look at '%s/%s': %s", path, name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "'%s/%s' is not a regular file", path, name);
	/* Never write to another user's file, nor to one through a hard link. */
	if ((st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != dir->st_uid) ||
	    st.st_nlink != 1) {
		err_set(e, EPERM, "'%s/%s' belongs to another user, or has hard links", path, name);
		return err_hint(e, "move it away, or name another directory for the log");
	}
	return 0;
}

static int cannot_open(int code, int dir, const char *path, const char *name, struct err *e)
{
	char word[400];
	struct stat st;

	err_set(e, code, "cannot open '%s/%s': %s", path, name, strerror(code));
	if (code == ELOOP)
		return err_hint(e, "it is a symbolic link; remove it");
	if (code == ENOSPC)
		return err_hint(e, "the disk is full; make room, or name another directory for the "
				   "log");
	if (code == EACCES && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == 0 &&
	    geteuid() != 0)
		return err_hint(e,
				"root made it: sudo chown %u %s/%s, or name another directory "
				"for the log",
				(unsigned)geteuid(), str_word(word, sizeof(word), path), name);
	return err_hint(e, "name a directory for the log that can be written to");
}

static int open_one(int dir, const struct stat *of_dir, const char *path, const char *name,
		    struct err *e)
{
	const int flags =
	    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	_cleanup_close_ int fd = openat(dir, name, flags, 0600);
	int r =
	    fd < 0 ? cannot_open(errno, dir, path, name, e) : check_file(fd, of_dir, path, name, e);

	return r < 0 ? r : steal_fd(&fd);
}

int record_files_open(struct record_files *f, int dir, const char *path, struct err *e)
{
	struct stat st;
	int r;

	*f = (struct record_files){
	    .dir = fcntl(dir, F_DUPFD_CLOEXEC, 3), .events = -1, .capture = -1};
	if (f->dir < 0)
		return err_set(e, errno, "cannot open '%s': %s", path, strerror(errno));
	if ((r = check_dir(dir, path, &st, e)) < 0 ||
	    (r = f->events = open_one(dir, &st, path, RECORD_EVENTS, e)) < 0 ||
	    (r = f->capture = open_one(dir, &st, path, RECORD_CAPTURE, e)) < 0)
		goto failed;
	/* The lock belongs to the open file, and goes with its descriptor. */
	f->taken = flock(f->capture, LOCK_EX | LOCK_NB) == 0;
	if (!f->taken || (r = capture_end(f->capture, path, RECORD_CAPTURE, &f->packets, e)) == 0)
		return 0;
failed:
	record_files_close(f);
	return r;
}

void record_files_close(struct record_files *f)
{
	if (f->dir >= 0)
		close(f->dir);
	if (f->events >= 0)
		close(f->events);
	if (f->capture >= 0)
		close(f->capture);
	f->dir = f->events = f->capture = -1;
}
