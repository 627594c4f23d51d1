// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/confine/mount.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "policy/base/cleanup.h"
#include "policy/base/err.h"

#define NETWORKS_MAX 1024

/* Sockets of programs that an agent could ask to send something for it, or do it outside. */
static const char *const hidden[] = {
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/systemd/resolve/io.systemd.Resolve.Monitor",
    "/run/systemd/private",
    "/run/systemd/notify",
    "/run/dbus/system_bus_socket",
    "/run/nscd/socket",
    "/var/run/nscd/socket",
    "/run/avahi-daemon/socket",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
    "/run/snapd.socket",
    "/run/snapd-snap.socket",
    "/run/libvirt/*-sock*",
    "/run/user/*/bus",
    "/run/user/*/systemd/private",
    "/run/user/*/docker.sock",
    "/run/user/*/podman/podman.sock",
    "/run/buildkit/*",
    "/run/user/*/buildkit/*",
    "/run/k3s/containerd/containerd.sock",
    "/run/incus/*",
    "/var/lib/incus/unix.socket*",
    "/var/lib/lxd/unix.socket*",
    "/var/snap/lxd/common/lxd*/unix.socket*",
    "/run/user/*/snapd-session-agent.socket",
    /* what fetches or sends for anybody */
    "/run/user/*/gnupg/S.dirmngr",
    "/run/user/*/gnupg/*/S.dirmngr",
    "/home/*/.gnupg/S.dirmngr",
    "/root/.gnupg/S.dirmngr",
    "/run/tailscale/*",
    "/run/cups/cups.sock",
    "/run/NetworkManager/*",
    "/run/user/*/pulse/native",
    "/run/user/*/pipewire-*",
    /* terminals and editors: what is typed there is done outside */
    "/tmp/tmux-*/*",
    "/run/tmux/*/*",
    "/run/user/*/tmux-*/*",
    "/run/screen/S-*/*",
    "/run/screens/S-*/*",
    "/tmp/screens/S-*/*",
    "/run/user/*/zellij/*/*",
    "/tmp/zellij-*/*/*",
    "/run/user/*/wezterm/*",
    "/run/user/*/kitty-*",
    "/tmp/kitty-*",
    "/run/user/*/emacs/*",
    "/tmp/emacs*/*",
    "/run/user/*/nvim.*",
    "/tmp/nvim.*/*/*",
    "/run/user/*/vscode-*",
    "/tmp/vscode-*",
    /* desktops: typing and clicking in windows of programs outside */
    "/tmp/.X11-unix/*",
    "/run/user/*/wayland-*",
    "/run/user/*/at-spi/*",
};

/* Some patterns match in directories where anybody may put files. A pipe is screen's. */
static bool is_asked(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode));
}

int mount_each_helper(void (*fn)(const char *path, void *arg), void *arg, struct err *e)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		glob_t g;
		int r = glob(hidden[i], GLOB_NOSORT, NULL, &g);

		if (r == GLOB_NOSPACE)
			return err_set(e, ENOMEM, "out of memory");
		for (size_t k = 0; r == 0 && k < g.gl_pathc; k++) {
			char real[PATH_MAX];

			if (realpath(g.gl_pathv[k], real) && is_asked(real))
				fn(real, arg);
		}
		globfree(&g);
	}
	return 0;
}

/* list: /proc/PID/net/unix of one network namespace. A socket file is reached from all of them. */
static void sockets_of(const char *list, void (*fn)(const char *path, void *arg), void *arg)
{
	_cleanup_fclose_ FILE *f = fopen(list, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		/* Num RefCount Protocol Flags Type St Inode Path; abstract ones begin with '@' */
		char *path = strchr(line, '/'), real[PATH_MAX];
		struct stat st;

		if (!path || path[-1] != ' ')
			continue;
		path[strcspn(path, "\n")] = '\0';
		if (realpath(path, real) && stat(real, &st) == 0 && S_ISSOCK(st.st_mode))
			fn(real, arg);
	}
}

void mount_each_socket(void (*fn)(const char *path, void *arg), void *arg)
{
	ino_t seen[NETWORKS_MAX];
	DIR *d = opendir("/proc");
	const struct dirent *e;
	size_t n = 0;

	while (d && n < NETWORKS_MAX && (e = readdir(d))) {
		char path[64 + NAME_MAX];
		struct stat st;
		bool known = false;

		snprintf(path, sizeof(path), "/proc/%s/ns/net", e->d_name);
		if (!strchr("123456789", e->d_name[0]) || stat(path, &st) < 0)
			continue;
		for (size_t i = 0; i < n; i++)
			known |= seen[i] == st.st_ino;
		if (known)
			continue;
		seen[n++] = st.st_ino;
		snprintf(path, sizeof(path), "/proc/%s/net/unix", e->d_name);
		sockets_of(path, fn, arg);
	}
	if (d)
		closedir(d);
}

/* MS_SLAVE: what is mounted outside later comes in. What is mounted here stays here. */
int mount_private(unsigned long propagation, struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0)
		return err_set(e, errno, "cannot make a mount namespace: %s", strerror(errno));
	return 0;
}

int mount_hide(const char *path, struct err *e)
{
	struct stat st;
	int r, code;

	if (lstat(path, &st) < 0)
		return 0; /* other programs' sockets go at any time */
	if (S_ISDIR(st.st_mode))
		r = mount("none", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  "size=4k,mode=0555");
	else
		r = mount("/dev/null", path, NULL, MS_BIND, NULL);
	if (r == 0)
		return 0;
	code = errno;
	return lstat(path, &st) < 0
		   ? 0
		   : err_set(e, code, "cannot hide '%s': %s", path, strerror(code));
}

int mount_read_only(const char *path, struct err *e)
{
	struct statvfs fs;
	unsigned long keep = 0;

	if (statvfs(path, &fs) == 0)
		keep = (fs.f_flag & ST_NOSUID ? MS_NOSUID : 0) |
		       (fs.f_flag & ST_NODEV ? MS_NODEV : 0) |
		       (fs.f_flag & ST_NOEXEC ? MS_NOEXEC : 0);
	if (mount(path, path, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | keep, NULL) < 0)
		return err_set(e, errno, "cannot make '%s' read-only: %s", path, strerror(errno));
	return 0;
}
