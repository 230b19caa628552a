/*
 * How many more inotify instances there are for the pods of this node. They are counted for each user of the node, and root of a user namespace
 * counts as who made that namespace: as the node's root. Nobody says how many are in use, so some are taken for a moment.
 */
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define COUNT_MAX 64

int inotify_main(int argc, char **argv) {
    int count = argc == 2 ? atoi(argv[1]) : 0, taken = 0, fds[COUNT_MAX];

    if (count < 1 || count > COUNT_MAX) {
        fprintf(stderr, "usage: dind-helper inotify COUNT\n");
        return EXIT_USAGE;
    }
    while (taken < count && (fds[taken] = inotify_init1(IN_CLOEXEC)) >= 0)
        taken++;
    for (int i = 0; i < taken; i++)
        close(fds[i]);
    printf("%d\n", taken);
    return 0;
}
