// SPDX-License-Identifier: GPL-2.0-or-later
/* Places that other programs run, obey or take secrets from. A process that writes there is out of
 * its box when those programs start next. */
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/profile.h"

const struct protected_place protected_places[] = {
    /* our own: the policy that is taken when none is named */
    {NULL, "agentfw.yaml", 0},

    /* .git makes a directory a repository; the rest of it runs programs or leads elsewhere */
    {"git-data", ".git", PROTECTED_ANYWHERE},
    {"git", ".git/hooks", PROTECTED_ANYWHERE},
    {"git", ".git/config", PROTECTED_ANYWHERE},
    {"git", ".git/config.worktree", PROTECTED_ANYWHERE},
    {"git", ".git/commondir", PROTECTED_ANYWHERE},
    {"git", ".git/modules", PROTECTED_ANYWHERE},
    {"git", ".git/worktrees", PROTECTED_ANYWHERE},
    {"git", ".gitmodules", 0},
    {"git", ".husky", 0},
    {"git", ".gitconfig", 0},
    {"git", ".config/git", 0},

    {"shell", ".bashrc", 0},
    {"shell", ".bash_profile", 0},
    {"shell", ".bash_login", 0},
    {"shell", ".bash_logout", 0},
    {"shell", ".bash_aliases", 0},
    {"shell", ".profile", 0},
    {"shell", ".zshrc", 0},
    {"shell", ".zshenv", 0},
    {"shell", ".zprofile", 0},
    {"shell", ".zlogin", 0},
    {"shell", ".zlogout", 0},
    {"shell", ".config/fish", 0},
    {"shell", ".inputrc", 0},
    {"shell", ".envrc", PROTECTED_ANYWHERE},

    {"ssh", ".ssh", PROTECTED_SECRET},
    {"gpg", ".gnupg", PROTECTED_SECRET},
    {"cloud", ".aws", PROTECTED_SECRET},
    {"cloud", ".azure", PROTECTED_SECRET},
    {"cloud", ".config/gcloud", PROTECTED_SECRET},
    {"cloud", ".config/gh", PROTECTED_SECRET},
    {"cloud", ".config/doctl", PROTECTED_SECRET},
    {"cloud", ".config/rclone", PROTECTED_SECRET},
    {"cloud", ".kube", PROTECTED_SECRET},
    {"cloud", ".docker", PROTECTED_SECRET},
    {"cloud", ".netrc", PROTECTED_SECRET},
    {"cloud", ".git-credentials", PROTECTED_SECRET},
    {"cloud", ".vault-token", PROTECTED_SECRET},
    {"cloud", ".terraform.d", PROTECTED_SECRET},

    {"packages", ".npmrc", 0},
    {"packages", ".yarnrc.yml", 0},
    {"packages", ".pypirc", PROTECTED_SECRET},
    {"packages", ".config/pip", 0},
    {"packages", ".cargo/config.toml", 0},
    {"packages", ".cargo/credentials.toml", PROTECTED_SECRET},

    {"editor", ".vscode", 0},
    {"editor", ".idea", 0},
    {"editor", ".vim", 0},
    {"editor", ".vimrc", 0},
    {"editor", ".exrc", 0},
    {"editor", ".config/nvim", 0},
    {"editor", ".emacs", 0},
    {"editor", ".emacs.d", 0},
    {"editor", ".dir-locals.el", 0},

    {"agent", ".mcp.json", 0},
    {"agent", ".claude", 0},
    {"agent", ".claude.json", 0},
    {"agent", "CLAUDE.md", 0},
    {"agent", "AGENTS.md", 0},
    {"agent", ".cursor", 0},
    {"agent", ".cursorrules", 0},
    {"agent", ".codex", 0},
    {"agent", ".gemini", 0},
    {"agent", "GEMINI.md", 0},
    {"agent", ".aider.conf.yml", 0},
    {"agent", ".continue", 0},
    {"agent", ".windsurf", 0},

    {"desktop", ".config/autostart", 0},
    {"desktop", ".config/systemd", 0},
    {"desktop", ".local/share/applications", 0},
    {"desktop", ".local/share/systemd", 0},
    {"desktop", ".pam_environment", 0},
    {"desktop", ".xprofile", 0},
    {"desktop", ".xsession", 0},
    {"desktop", ".xinitrc", 0},
};
const size_t protected_places_n = ARRAY_SIZE(protected_places);

bool protected_name_known(const char *name)
{
	for (size_t i = 0; i < protected_places_n; i++)
		if (protected_places[i].name && strcmp(protected_places[i].name, name) == 0)
			return true;
	return false;
}

bool protected_opened_by(const struct protected_place *place, const char *name)
{
	return place->name && (strcmp(place->name, name) == 0 ||
			       (strcmp(name, "git") == 0 && strcmp(place->name, "git-data") == 0));
}

const struct protected_place *protected_place_of(const char *path)
{
	for (size_t i = 0; i < protected_places_n; i++) {
		const char *name = protected_places[i].path;
		size_t n = strlen(name);

		for (const char *at = strstr(path, name); at; at = strstr(at + 1, name))
			if (at > path && at[-1] == '/' && (at[n] == '/' || at[n] == '\0'))
				return &protected_places[i];
	}
	return NULL;
}
