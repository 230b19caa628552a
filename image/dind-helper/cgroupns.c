/*
 * Runs a command in a cgroup namespace of its own: container runtimes give a privileged container none, so its own
 * cgroup is not the root of what it sees. busybox's unshare knows no cgroup namespaces; hence this.
 */
#include "helper.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int fail(const char *what) {
    fprintf(stderr, "dind-helper: %s: %s\n", what, strerror(errno));
    return EXIT_HELPER;
}

int cgroupns_main(int argc, char **argv) {
    int flags = CLONE_NEWCGROUP, next = 1;

    if (next < argc && !strcmp(argv[next], "--mount")) {
        flags |= CLONE_NEWNS;
        next++;
    }
    if (next + 1 >= argc || strcmp(argv[next], "--")) {
        fprintf(stderr, "usage: dind-helper cgroupns [--mount] -- COMMAND...\n");
        return EXIT_USAGE;
    }
    if (unshare(flags))
        return fail("cannot make a cgroup namespace (it needs CAP_SYS_ADMIN and Linux 4.6 or later)");
    /* A new mount namespace still passes mounts on to where it came from, until it is made private. */
    if ((flags & CLONE_NEWNS) && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return fail("cannot make the mounts private");
    execvp(argv[next + 1], argv + next + 1);
    return fail(argv[next + 1]);
}
