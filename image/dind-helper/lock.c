/*
 * One daemon for one folder of a node: a lock on the folder itself, which the kernel gives back however its holder ends.
 * It holds between containers, because they see the same folder; a file with a name in it would outlive a node's crash.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int lock_folder(const char *path) {
    /* Not for the child: what it starts would hold the lock on. */
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (!flock(fd, LOCK_EX | LOCK_NB))
        return fd;
    close(fd);
    return -1;
}

int lock_main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: dind-helper lock DIRECTORY\n");
        return EXIT_USAGE;
    }
    if (lock_folder(argv[1]) >= 0)
        return 0;
    fprintf(stderr, "%s: %s\n", argv[1], errno == EWOULDBLOCK ? "locked" : strerror(errno));
    return errno == EWOULDBLOCK ? 1 : EXIT_HELPER;
}
