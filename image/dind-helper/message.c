/* The termination message: what the kubelet shows of a container that ended, always valid JSON and never too long. */
#include "helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than any escaped version string and the member names around it. */
#define HEAD_MAX 512

void message_write(const char *path, const char *docker_version, int status, const char *tail, size_t length) {
    char text[MESSAGE_MAX + 1], version[256], head[HEAD_MAX];
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    size_t used, room, step, needed;
    int fd;

    if (json_escape(version, sizeof version, docker_version, strlen(docker_version)) >= sizeof version)
        *version = 0;
    used = (size_t)snprintf(head, sizeof head, "{\"version\":1,\"docker\":\"%s\",\"exitCode\":%d,\"signal\":%d,\"tail\":\"",
                            version, signal ? 128 + signal : WEXITSTATUS(status), signal);
    memcpy(text, head, used);
    room = MESSAGE_MAX - used - strlen("\"}");
    /* Escapes make text longer: the oldest part gives way until the rest fits. */
    while ((needed = json_escape(text + used, room + 1, tail, length)) > room) {
        step = length > 64 ? 64 : length;
        tail += step;
        length -= step;
    }
    strcpy(text + used + needed, "\"}");
    /* The kubelet mounts a file for it; where there is none, nobody would read one. */
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        perror("dind-helper: the termination message was not written");
    if (fd >= 0)
        close(fd);
}
