// SPDX-License-Identifier: GPL-2.0-or-later
/* The directories in a directory. To read through one of libraries takes most of a millisecond per
 * start of a tool. So root caches the result in the run directory, for everybody, until the
 * directory's ctime changes, which nobody can set. */
#include "agentctl/confine/subdirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

#define SETTLED_S  2 /* two changes within a tick of the clock have the same ctime */
#define NAMES_MAX  (1u << 20)
#define CACHE_DIR  "subdirs"
#define CACHE_PATH (PATH_MAX + 64)

struct head {
	char magic[8];
	uint64_t dev, ino, ctime_s, ctime_ns, bytes; /* of the names behind it */
};

static const char magic[8] = "agfwdir2";

static struct head head_of(const struct stat *st, size_t bytes)
{
	struct head h = {.dev = st->st_dev,
			 .ino = st->st_ino,
			 .ctime_s = (uint64_t)st->st_ctim.tv_sec,
			 .ctime_ns = (uint64_t)st->st_ctim.tv_nsec,
			 .bytes = bytes};

	memcpy(h.magic, magic, sizeof(h.magic));
	return h;
}

static void cache_path(const char *run_dir, const struct stat *dir, const char *end,
		       char ret[CACHE_PATH])
{
	snprintf(ret, CACHE_PATH, "%.*s/" CACHE_DIR "/%llx-%llx%s", PATH_MAX - 1, run_dir,
		 (unsigned long long)dir->st_dev, (unsigned long long)dir->st_ino, end);
}

/* Only a file of root's counts. */
static int recall(const char *run_dir, const struct stat *dir, char **ret, size_t *ret_bytes)
{
	char path[CACHE_PATH];
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *names = NULL;
	struct head h, want;
	struct stat st;

	cache_path(run_dir, dir, "", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 ||
	    st.st_mode & 022 || read(fd, &h, sizeof(h)) != sizeof(h))
		return -ENOENT;
	want = head_of(dir, h.bytes);
	if (memcmp(&h, &want, sizeof(h)) != 0 || h.bytes > NAMES_MAX ||
	    (uint64_t)st.st_size != sizeof(h) + h.bytes)
		return -ESTALE;
	names = malloc(h.bytes + 1);
	if (!names || read(fd, names, h.bytes) != (ssize_t)h.bytes ||
	    (h.bytes && names[h.bytes - 1]))
		return -EIO;
	*ret = steal_ptr(names);
	*ret_bytes = h.bytes;
	return 0;
}

/* A failure does no harm: the next start reads the directory again. */
static void keep(const char *run_dir, const struct stat *dir, const char *names, size_t bytes)
{
	const struct head h = head_of(dir, bytes);
	char path[CACHE_PATH], tmp[CACHE_PATH];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%.*s/" CACHE_DIR, PATH_MAX - 1, run_dir);
	if (mkdir(run_dir, 0755) < 0 && errno != EEXIST)
		return;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return;
	cache_path(run_dir, dir, "", path);
	cache_path(run_dir, dir, ".XXXXXX", tmp);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, &h, sizeof(h)) != sizeof(h) || write(fd, names, bytes) != (ssize_t)bytes ||
	    fchmod(fd, 0644) < 0 || rename(tmp, path) < 0)
		unlink(tmp);
}

/* Some file systems do not say in the list what an entry is. */
static bool is_subdir(DIR *d, const struct dirent *e)
{
	struct stat st;

	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return false;
	return e->d_type == DT_DIR ||
	       (e->d_type == DT_UNKNOWN &&
		fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
}

static int look_through(DIR *d, char **ret, size_t *ret_bytes)
{
	FILE *to = open_memstream(ret, ret_bytes);
	const struct dirent *e;
	int r;

	if (!to)
		return -ENOMEM;
	while ((errno = 0, e = readdir(d)))
		if (is_subdir(d, e))
			fwrite(e->d_name, 1, strlen(e->d_name) + 1, to);
	r = -errno;
	return fclose(to) != 0 ? -ENOMEM : r;
}

int subdirs(const char *path, const char *run_dir, char **ret, size_t *ret_bytes)
{
	DIR *d = NULL;
	struct stat before, after;
	int r = 0;

	*ret = NULL;
	if (stat(path, &before) < 0)
		return -errno;
	if (run_dir && recall(run_dir, &before, ret, ret_bytes) == 0)
		return 0;
	d = opendir(path);
	if (!d || fstat(dirfd(d), &before) < 0)
		r = -errno;
	else
		r = look_through(d, ret, ret_bytes);
	if (r == 0 && run_dir && geteuid() == 0 && *ret_bytes <= NAMES_MAX &&
	    fstat(dirfd(d), &after) == 0 && after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
	    after.st_ctim.tv_nsec == before.st_ctim.tv_nsec &&
	    time(NULL) - after.st_ctim.tv_sec > SETTLED_S)
		keep(run_dir, &after, *ret, *ret_bytes);
	if (d)
		closedir(d);
	return r;
}
