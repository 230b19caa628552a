/*
 * Loop devices belong to the node, not to a container. Their nodes in a container's /dev are those of its start, while the
 * kernel makes new devices when they are asked for; and a device stays attached when the container, and even the pod, is gone.
 * So there are more nodes here than devices, and what was attached from within this container is detached when it ends.
 *
 * Whose a device is the kernel does not say. It says which file is behind it: that file is looked for in the root of each process of this
 * container, and in the layers and volumes of its nested containers. What was found stands in a file on the docker volume, for the next
 * container of the pod, if this one is killed.
 */
#include "helper.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CONTROL "/dev/loop-control"
#define LOOP_MAJOR 7
/* Nodes beyond the devices that are in use at the start: each nested container with --privileged gets a copy of all. */
#define SPARE 64
/* The kernel takes the lowest number that is free. */
#define NUMBERS 1024
#define RECORD_MAX 65536
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define UEVENTS 1

struct device {
    /* Of this attachment; 0 while it is not attached, or not looked at. */
    unsigned long long key, device, inode;
    int ours;
    /* The kernel told of it: older ones do so only, and their key may be that of the attachment before. */
    int told;
};

struct watcher {
    const char *record;
    struct device known[NUMBERS];
    /*
     * Of overlays, as they are mounted and, until all devices were looked at once, as they were before: a container's is unmounted
     * when it has ended. Later its number may be that of another pod's.
     */
    dev_t *layers, *before;
    size_t count, count_before;
};

/* The N of a name such as loop7, -1 for others. */
static int number_of(const char *name) {
    char *end;
    long number;

    if (strncmp(name, "loop", 4) || !isdigit((unsigned char)name[4]))
        return -1;
    number = strtol(name + 4, &end, 10);
    return *end || number >= NUMBERS ? -1 : (int)number;
}

/*
 * A user of the daemon may put something else in the place of the record: a link, or a pipe, on which everybody who opens it waits.
 * -1 for all but a file.
 */
static int open_file(const char *path, int flags) {
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat about;

    if (fd < 0 || (!fstat(fd, &about) && S_ISREG(about.st_mode)))
        return fd;
    close(fd);
    return -1;
}

static size_t read_text(const char *path, char *text, size_t size) {
    int fd = open_file(path, O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = 0;
    return strlen(text);
}

static int status_of(int number, struct loop_info64 *info) {
    char path[32];
    int fd, failed;

    snprintf(path, sizeof path, "/dev/loop%d", number);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    failed = ioctl(fd, LOOP_GET_STATUS64, info);
    if (!failed)
        return fd;
    close(fd);
    return -1;
}

/* The kernel makes and removes its nodes: a container that was given the node's own /dev. */
static int dev_is_the_nodes(void) {
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0;
    int found = 0;

    /* Of several mounts there the last one counts. */
    while (file && getline(&line, &size, file) > 0)
        if (strstr(line, " /dev "))
            found = strstr(line, " - devtmpfs ") != NULL;
    free(line);
    if (file)
        fclose(file);
    return found;
}

int loops_possible(void) {
    return !access(CONTROL, F_OK);
}

void loops_nodes(void) {
    DIR *dir = dev_is_the_nodes() ? NULL : opendir("/sys/block");
    int highest = -1;

    if (!dir)
        return;
    /* Of those in use: the kernel takes the lowest that is free, and makes each whose node is opened, as busybox does with all. */
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[300];

        snprintf(path, sizeof path, "/sys/block/%.255s/loop", entry->d_name);
        if (number_of(entry->d_name) > highest && !access(path, F_OK))
            highest = number_of(entry->d_name);
    }
    closedir(dir);
    for (int number = 0; number <= highest + SPARE && number < NUMBERS; number++) {
        char path[32];

        snprintf(path, sizeof path, "/dev/loop%d", number);
        /* Without the right to make it, there is none to use it either. */
        if (access(path, F_OK) && mknod(path, S_IFBLK | 0660, makedev(LOOP_MAJOR, (unsigned)number)))
            return;
    }
}

/* The lines of the record that are of this start of the node, in `known`. */
static void record_read(const char *record, struct device *known) {
    char boot[64], text[RECORD_MAX], *line, *rest = NULL;

    read_text(BOOT_ID, boot, sizeof boot);
    read_text(record, text, sizeof text);
    boot[strcspn(boot, "\n")] = 0;
    line = strtok_r(text, "\n", &rest);
    if (!line || strcmp(line, boot))
        return;
    while ((line = strtok_r(NULL, "\n", &rest))) {
        struct device found = {.ours = 1};
        unsigned number;

        if (sscanf(line, "%u %llu %llu", &number, &found.device, &found.inode) == 3 && number < NUMBERS)
            known[number] = found;
    }
}

static void record_write(const struct watcher *watcher) {
    char text[RECORD_MAX];
    size_t length = read_text(BOOT_ID, text, sizeof text);
    int fd = open_file(watcher->record, O_WRONLY | O_CREAT);

    for (int number = 0; number < NUMBERS && length < sizeof text - 64; number++)
        if (watcher->known[number].ours)
            length += (size_t)snprintf(text + length, sizeof text - length, "%d %llu %llu\n", number,
                                       watcher->known[number].device, watcher->known[number].inode);
    /* In place, so that a full volume takes it once there is a block for it. */
    if (fd < 0 || pwrite(fd, text, length, 0) != (ssize_t)length || ftruncate(fd, (off_t)length))
        fprintf(stderr, "dind: %s could not be written: loop devices may stay attached on the node if this container is killed\n",
                watcher->record);
    if (fd >= 0)
        close(fd);
}

static int is_file(const char *folder, const char *path, const struct loop_info64 *info) {
    char name[2 * PATH_MAX];
    struct stat about;

    snprintf(name, sizeof name, "%s%s", folder, path);
    return !stat(name, &about) && about.st_dev == info->lo_device && about.st_ino == info->lo_inode;
}

/* The file is where a process of this container has it. */
static int in_some_root(const char *path, const struct loop_info64 *info) {
    DIR *dir = opendir("/proc");
    char name[64];
    int found = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; !found && (entry = readdir(dir));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(name, sizeof name, "/proc/%.20s/root", entry->d_name);
        found = is_file(name, path, info);
    }
    closedir(dir);
    return found;
}

/* The file is in FOLDER, which a container had somewhere on the way to it. */
static int below(const char *folder, const char *path, const struct loop_info64 *info) {
    for (; path; path = strchr(path + 1, '/'))
        if (is_file(folder, path, info))
            return 1;
    return 0;
}

static int in_volumes_of(const char *data, const char *path, const struct loop_info64 *info) {
    char name[PATH_MAX];
    DIR *dir;
    int found = 0;

    snprintf(name, sizeof name, "%.3000s/volumes", data);
    dir = opendir(name);
    if (!dir)
        return 0;
    for (struct dirent *entry; !found && (entry = readdir(dir));) {
        snprintf(name, sizeof name, "%.3000s/volumes/%.255s/_data", data, entry->d_name);
        found = below(name, path, info);
    }
    closedir(dir);
    return found;
}

/* Of a container that has ended since: its volumes, and what is mounted here, of which it may have had a part. */
static int in_some_volume(const struct watcher *watcher, const char *path, const struct loop_info64 *info) {
    char name[PATH_MAX], *line = NULL;
    int length = (int)(strrchr(watcher->record, '/') - watcher->record), found;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    struct dirent *entry;
    size_t size = 0;
    DIR *dir;

    snprintf(name, sizeof name, "%.*s", length, watcher->record);
    found = in_volumes_of(name, path, info);
    dir = opendir(name);
    /* With userns-remap all is in a folder that is called by the range. */
    while (dir && !found && (entry = readdir(dir)))
        if (isdigit((unsigned char)*entry->d_name)) {
            snprintf(name, sizeof name, "%.*s/%s", length, watcher->record, entry->d_name);
            found = in_volumes_of(name, path, info);
        }
    while (file && !found && getline(&line, &size, file) > 0)
        found = sscanf(line, "%*d %*d %*s %*s %4095s", name) == 1 && strcmp(name, "/") && below(name, path, info);
    free(line);
    if (file)
        fclose(file);
    if (dir)
        closedir(dir);
    return found;
}

static int in_some_layers(const struct watcher *watcher, const struct loop_info64 *info) {
    for (size_t i = 0; i < watcher->count; i++)
        if (watcher->layers[i] == info->lo_device)
            return 1;
    for (size_t i = 0; i < watcher->count_before; i++)
        if (watcher->before[i] == info->lo_device)
            return 1;
    return 0;
}

/* Overlays have a device number of their own, which nobody shares, and which is taken for as long as a file is open in them. */
static void layers_read(struct watcher *watcher) {
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0, room = 0;
    unsigned high, low;

    if (!file)
        return;
    free(watcher->before);
    watcher->before = watcher->layers;
    watcher->count_before = watcher->count;
    watcher->layers = NULL;
    watcher->count = 0;
    while (getline(&line, &size, file) > 0) {
        const char *type = strstr(line, " - ");

        if (!type || strncmp(type, " - overlay ", 11) || sscanf(line, "%*d %*d %u:%u", &high, &low) != 2)
            continue;
        if (watcher->count == room) {
            dev_t *more = realloc(watcher->layers, (room + 64) * sizeof *more);

            if (!more)
                break;
            watcher->layers = more;
            room += 64;
        }
        watcher->layers[watcher->count++] = makedev(high, low);
    }
    free(line);
    fclose(file);
}

/* Of the file behind it and of the turn: the kernel counts those since Linux 5.15, and reports each of them before 5.18. */
static unsigned long long key_of(int number, const char *path) {
    char name[64], turn[32];
    unsigned long long key = 1469598103934665603ULL;

    snprintf(name, sizeof name, "/sys/block/loop%d/diskseq", number);
    read_text(name, turn, sizeof turn);
    for (const char *text = path; text; text = text == path ? turn : NULL)
        for (const char *at = text; *at; at++)
            key = (key ^ (unsigned char)*at) * 1099511628211ULL;
    return key ? key : 1;
}

/* 1 when what stands in the record has changed. */
static int look_at(struct watcher *watcher, int number) {
    struct device *known = &watcher->known[number], was = *known;
    char name[64], path[PATH_MAX];
    struct loop_info64 info;
    int fd;

    snprintf(name, sizeof name, "/sys/block/loop%d/loop/backing_file", number);
    if (!read_text(name, path, sizeof path)) {
        *known = (struct device){0};
        return was.ours;
    }
    path[strcspn(path, "\n")] = 0;
    known->key = key_of(number, path);
    known->told = 0;
    if (known->key == was.key && !was.told)
        return 0;
    fd = status_of(number, &info);
    if (fd < 0) {
        *known = (struct device){0};
        return was.ours;
    }
    close(fd);
    /* It stands in the record already, and who attached it may be gone. Without a key it is of the record of a container before. */
    known->ours = (was.ours && was.device == info.lo_device && was.inode == info.lo_inode && (!was.key || was.key == known->key)) ||
                  in_some_layers(watcher, &info) || in_some_root(path, &info) || in_some_volume(watcher, path, &info);
    known->device = info.lo_device;
    known->inode = info.lo_inode;
    return known->ours ? !was.ours || was.device != known->device || was.inode != known->inode : was.ours;
}

static void look(struct watcher *watcher) {
    DIR *dir = opendir("/sys/block");
    int changed = 0, number;

    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if ((number = number_of(entry->d_name)) >= 0)
            changed |= look_at(watcher, number);
    closedir(dir);
    if (changed)
        record_write(watcher);
    watcher->count_before = 0;
}

/* The kernel tells the network namespaces that belong to no user namespace of attached devices; not all versions do. */
static int uevents(void) {
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = UEVENTS};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0 || !bind(fd, (const struct sockaddr *)&address, sizeof address))
        return fd;
    close(fd);
    return -1;
}

/* 1 when one was about a loop device, which is then looked at anew. */
static int drain(struct watcher *watcher, int fd) {
    char text[8192];
    ssize_t length;
    int seen = 0;

    while ((length = recv(fd, text, sizeof text - 1, 0)) > 0) {
        char *at;
        int number;

        text[length] = 0;
        if (!(at = strstr(text, "/block/loop")))
            continue;
        seen = 1;
        if ((number = number_of(at + strlen("/block/"))) >= 0)
            watcher->known[number].told = 1;
    }
    return seen;
}

void loops_run(const char *record) {
    static struct watcher watcher;
    struct pollfd wait[] = {{.fd = uevents(), .events = POLLIN}, {.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), .events = POLLPRI}};

    watcher.record = record;
    record_read(record, watcher.known);
    layers_read(&watcher);
    look(&watcher);
    for (;;) {
        int due = poll(wait, 2, (int)periods().look) == 0;

        if (wait[1].revents)
            layers_read(&watcher);
        if (drain(&watcher, wait[0].fd) || wait[1].revents || due)
            look(&watcher);
    }
}

/*
 * The kernel detaches a device with this flag when nobody has it open any more. With `hold` this process has, until it ends in whatever way, so
 * that nested containers use it as before until they have ended, too.
 */
void loops_detach(const char *record, int hold) {
    static struct device known[NUMBERS];

    memset(known, 0, sizeof known);
    record_read(record, known);
    for (int number = 0; number < NUMBERS; number++) {
        struct loop_info64 info;
        int fd = known[number].ours ? status_of(number, &info) : -1, same;

        if (fd < 0)
            continue;
        same = info.lo_device == known[number].device && info.lo_inode == known[number].inode;
        info.lo_flags |= LO_FLAGS_AUTOCLEAR;
        if (!same || ioctl(fd, LOOP_SET_STATUS64, &info) || !hold)
            close(fd);
    }
}
