// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/uids.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "policy/base/cleanup.h"

/* Neither Debian's policy nor systemd gives these to anybody: systemd's table of users and groups
 * calls them unused, between the users of containers and its dynamic ones. They are below 65536,
 * which containers map. */
#define FIRST 60578u
#define LAST  61183u
#define COUNT (LAST - FIRST + 1)

static void uids_take(bool *taken, unsigned long uid)
{
	if (uid >= FIRST && uid <= LAST)
		taken[uid - FIRST] = true;
}

static void users(bool *taken)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	while (f && (pw = fgetpwent(f)))
		uids_take(taken, pw->pw_uid);
}

static void processes(bool *taken)
{
	DIR *dir = opendir("/proc");
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		_cleanup_fclose_ FILE *f = NULL;
		char path[300], line[256];
		unsigned long uid[4];

		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/status", d->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "Uid: %lu %lu %lu %lu", &uid[0], &uid[1], &uid[2],
				   &uid[3]) != 4)
				continue;
			for (size_t i = 0; i < 4; i++)
				uids_take(taken, uid[i]);
			break;
		}
	}
	if (dir)
		closedir(dir);
}

/* All that is not mapped here. An unreadable map: then the change of uid says so. */
static void unmapped(bool *taken)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned long inside, outside, n;
	bool mapped[COUNT] = {0};

	if (!f)
		return;
	while (fscanf(f, "%lu %lu %lu", &inside, &outside, &n) == 3)
		for (unsigned i = 0; i < COUNT; i++)
			if (FIRST + i >= inside && FIRST + i - inside < n)
				mapped[i] = true;
	for (unsigned i = 0; i < COUNT; i++)
		if (!mapped[i])
			taken[i] = true;
}

int uids_pick(uint32_t *ret, size_t n, struct err *e)
{
	bool taken[COUNT] = {0};
	uint32_t start = 0;
	size_t got = 0;

	users(taken);
	processes(taken);
	unmapped(taken);
	/* Daemons that start at the same time do not see each other. */
	(void)!getrandom(&start, sizeof(start), 0);
	for (unsigned i = 0; i < COUNT && got < n; i++) {
		unsigned at = (start + i) % COUNT;

		if (!taken[at])
			ret[got++] = FIRST + at;
	}
	if (got == n)
		return 0;
	err_set(e, EUSERS, "no users' numbers are free for the daemon's processes");
	return err_hint(e,
			"%zu of %u to %u must be mapped in this user namespace, in nobody's use, "
			"and not in /etc/passwd",
			n, FIRST, LAST);
}
