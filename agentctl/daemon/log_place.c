// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/log_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/daemon/client.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/daemon/roots.h"
#include "fw/record/files.h"
#include "policy/base/caller.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/policy.h"

#define ANOTHER_DIR "name another directory with --log-dir, or audit.dir in the policy"
/* Another agentctl may be counting the packets of a large capture; its record is then ours, too. */
#define BUSY_TRIES 250
#define BUSY_US    20000

/* ---- which ---------------------------------------------------------------------------------- */

/* Takes out doubled slashes and one at the end. */
static void tidy(char *path)
{
	char *to = path;

	for (const char *p = path; *p; p++)
		if (*p != '/' || (p[1] && p[1] != '/'))
			*to++ = *p;
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

int log_place_find(struct log_place *l, const char *named, const struct policy_file *policy,
		   bool reading, struct err *e)
{
	const char *dir = named    ? named
			  : policy ? policy_audit_dir(policy->policy)
				   : POLICY_AUDIT_DIR;
	char cwd[PATH_MAX] = "";
	int n;

	*l = (struct log_place){.fd = -1};
	if (!dir[0]) {
		err_set(e, EINVAL, "--log-dir '' names no directory");
		return err_hint(e, "leave it out for the policy's audit.dir");
	}
	if (dir[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_set(e, errno, "cannot find the working directory: %s", strerror(errno));
	n = snprintf(l->path, sizeof(l->path), "%s%s%s", cwd, cwd[0] ? "/" : "", dir);
	if (n < 0 || (size_t)n >= sizeof(l->path))
		return err_set(e, ENAMETOOLONG, "the path of --log-dir is too long");
	tidy(l->path);
	l->of_root = strcmp(l->path, POLICY_AUDIT_DIR) == 0 ||
		     (reading && roots_below(l->path, POLICY_AUDIT_DIR)) ||
		     (!named && policy && policy->of_root);
	return 0;
}

/* ---- opened --------------------------------------------------------------------------------- */

static int make_parents(const char *dir, struct err *e)
{
	char path[CTL_PATH_MAX];

	snprintf(path, sizeof(path), "%s", dir);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST) {
			err_set(e, errno, "cannot make '%s': %s", path, strerror(errno));
			return err_hint(e, ANOTHER_DIR);
		}
		*p = '/';
	}
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		return 0;
	err_set(e, errno, "cannot make '%s': %s", dir, strerror(errno));
	return err_hint(e, ANOTHER_DIR);
}

static int open_plainly(const char *dir, bool make, struct err *e)
{
	int r = make ? make_parents(dir, e) : 0, code;
	_cleanup_close_ int fd =
	    r < 0 ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (make ? O_NOFOLLOW : 0));
	struct stat st;
	bool link;

	if (r < 0 || fd >= 0)
		return r < 0 ? r : steal_fd(&fd);
	code = errno;
	link = make &&
	       (code == ELOOP || (code == ENOTDIR && lstat(dir, &st) == 0 && S_ISLNK(st.st_mode)));
	err_set(e, code, "cannot open '%s': %s", dir,
		link ? "it is a symbolic link" : strerror(code));
	return err_hint(e, "%s", link ? "name the directory itself" : ANOTHER_DIR);
}

static int open_as_caller(const char *dir, bool make, struct err *e)
{
	struct rights_lent lent;
	int r = rights_of_caller(&lent, e);

	if (r < 0)
		return r;
	r = open_plainly(dir, make, e);
	rights_back(&lent);
	return r == -EACCES || r == -EPERM ? caller_hint(e) : r;
}

int log_place_open(struct log_place *l, bool make, struct err *e)
{
	int r = -EPERM;

	if (l->fd >= 0)
		return 0;
	if (l->of_root && caller_is_another())
		r = roots_open(l->path, O_RDONLY | O_DIRECTORY, make);
	if (r == -EPERM) {
		l->of_root = false;
		r = open_as_caller(l->path, make, e);
	} else if (r < 0) {
		err_set(e, -r, "cannot open '%s': %s", l->path, strerror(-r));
		err_hint(e, ANOTHER_DIR);
	}
	if (r < 0)
		return r;
	l->fd = r;
	return 0;
}

void log_place_done(struct log_place *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* ---- written -------------------------------------------------------------------------------- */

static int open_files(const struct log_place *l, struct record_files *ret, struct err *e)
{
	struct rights_lent lent = {.own = true};
	int r = l->of_root ? 0 : rights_of_caller(&lent, e);

	if (r < 0)
		return r;
	r = record_files_open(ret, l->fd, l->path, e);
	rights_back(&lent);
	return r;
}

static int hand_over(const struct log_place *l, int control, uint32_t snaplen, struct patience *p,
		     struct err *e)
{
	struct ctl_log m = {.snaplen = snaplen};
	struct record_files f;
	struct ctl_head done;
	int r = open_files(l, &f, e);

	if (r < 0)
		return r;
	m.flags = f.taken ? CTL_LOG_TAKEN : 0;
	m.packets = f.packets;
	memcpy(m.path, l->path, sizeof(m.path));
	r = client_send_fds(control, &m, sizeof(m), CTL_LOG,
			    (const int[]){f.dir, f.events, f.capture}, 3, p, e);
	if (r == 0)
		r = client_receive(control, &done, sizeof(done), CTL_LOG_OPEN, p, e);
	record_files_close(&f);
	return r;
}

int log_place_hand_over(struct log_place *l, int control, uint32_t snaplen, struct patience *p,
			struct err *e)
{
	int r = log_place_open(l, true, e);

	for (unsigned i = 0; r == 0 && i < BUSY_TRIES; i++) {
		if ((r = hand_over(l, control, snaplen, p, e)) != -EBUSY)
			return r;
		usleep(BUSY_US);
		r = 0;
	}
	return r < 0 ? r : -EBUSY;
}

/* ---- read ----------------------------------------------------------------------------------- */

int log_place_events(struct log_place *l, struct err *e)
{
	struct rights_lent lent = {.own = true};
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = log_place_open(l, false, e);

	if (r < 0 || (!l->of_root && (r = rights_of_caller(&lent, e)) < 0))
		return r;
	fd = openat(l->fd, RECORD_EVENTS,
		    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (l->of_root ? O_NOFOLLOW : 0));
	r = fd < 0 ? -errno : 0;
	rights_back(&lent);
	if (r < 0) {
		err_set(e, -r, "cannot open '%s/" RECORD_EVENTS "': %s", l->path, strerror(-r));
		return r == -EACCES ? caller_hint(e) : r;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err_set(e, EINVAL, "'%s/" RECORD_EVENTS "' is not a regular file", l->path);
		return err_hint(e, "it is no record of agentfw's");
	}
	return steal_fd(&fd);
}
