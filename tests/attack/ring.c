/* Requests through an io_uring of the thread's, which its filter does not see. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as_thread.h"

enum { kTag = 0x4d61 }; /* of our requests' completions */

/* Shared with the thread: the ring is a file. */
struct Ring {
    int number; /* the thread's descriptor */
    struct io_uring_params params;
    char* queues;
    struct io_uring_sqe* entries;
};

static void give_up(const char* what) {
    perror(what);
    exit(78);
}

static char* map(int fd, size_t size, off_t offset) {
    char* const mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    if (mapped == MAP_FAILED) give_up("mmap of a ring");
    return mapped;
}

static int borrow(const struct Thread* thread, int number) {
    const int held = (int)syscall(SYS_pidfd_open, thread->tgid, 0);
    const int fd = (int)syscall(SYS_pidfd_getfd, held, number, 0);
    if (fd < 0) give_up("pidfd_getfd of a ring");
    close(held);
    return fd;
}

/* Where the kernel puts things depends on the sizes alone: one of ours of the same sizes tells. */
static void find_offsets(struct Ring* ring, const unsigned* sizes) {
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE, .cq_entries = sizes[1]};
    const int own = (int)syscall(SYS_io_uring_setup, sizes[0], &params);
    if (own < 0) give_up("io_uring_setup");
    close(own);
    ring->params = params;
}

static struct Ring open_ring(const struct Thread* thread, int number) {
    struct Ring ring = {.number = number};
    const int fd = borrow(thread, number);
    find_offsets(&ring, (const unsigned[2]){1, 2});
    char* const head = map(fd, kPage, IORING_OFF_SQ_RING);
    const unsigned sizes[2] = {*(unsigned*)(head + ring.params.sq_off.ring_entries),
                               *(unsigned*)(head + ring.params.cq_off.ring_entries)};
    find_offsets(&ring, sizes);
    munmap(head, kPage);
    ring.queues =
        map(fd, ring.params.sq_off.array + sizes[0] * sizeof(unsigned), IORING_OFF_SQ_RING);
    ring.entries =
        (struct io_uring_sqe*)map(fd, sizes[0] * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    close(fd);
    return ring;
}

static _Atomic unsigned* word(const struct Ring* ring, unsigned offset) {
    return (_Atomic unsigned*)(ring->queues + offset);
}

/* What the thread's ring says to one request. */
static struct Outcome request(struct Thread* thread, const struct Ring* ring,
                              struct io_uring_sqe entry) {
    const struct io_sqring_offsets* const sq = &ring->params.sq_off;
    const struct io_cqring_offsets* const cq = &ring->params.cq_off;
    entry.user_data = kTag;
    const unsigned tail = *word(ring, sq->tail);
    const unsigned index = tail & (ring->params.sq_entries - 1);
    ring->entries[index] = entry;
    *word(ring, sq->array + index * sizeof(unsigned)) = index;
    *word(ring, sq->tail) = tail + 1;
    const struct io_uring_cqe* const completions =
        (const struct io_uring_cqe*)(ring->queues + cq->cqes);
    /* A worker's completion interrupts the wait for it. */
    for (unsigned attempts = 0; attempts < 8; ++attempts) {
        const unsigned long enter[6] = {
            (unsigned long)ring->number, attempts == 0, 1, IORING_ENTER_GETEVENTS, 0, 8};
        const struct Outcome entered = thread_call(thread, SYS_io_uring_enter, enter);
        if (entered.kind != RETURNED) return entered;
        const unsigned head = *word(ring, cq->head), end = *word(ring, cq->tail);
        *word(ring, cq->head) = end;
        for (unsigned at = head; at != end; ++at) {
            const struct io_uring_cqe found = completions[at & (ring->params.cq_entries - 1)];
            if (found.user_data == kTag) return (struct Outcome){RETURNED, found.res};
        }
    }
    return (struct Outcome){RETURNED, -EINPROGRESS};
}

static const char kPath[] = "/etc/passwd";
struct Memory {
    char path[64];
    struct sockaddr_in somebody;
    char buffer[64];
    struct io_uring_params params;
};
#define AT(member) (thread->memory + offsetof(struct Memory, member))

static void prepare(const struct Thread* thread) {
    struct Memory contents = {.somebody = {.sin_family = AF_INET, .sin_port = htons(9)}};
    memcpy(contents.path, kPath, sizeof(kPath));
    contents.somebody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    thread_write(thread, thread->memory, &contents, sizeof(contents));
}

static void try_requests(struct Thread* thread, const struct Ring* ring) {
    const struct io_uring_sqe open = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = AT(path)};
    say("open a file by a ring", request(thread, ring, open), 0);
    static const struct {
        const char *make, *connect, *send;
        uint64_t kind;
    } kSockets[] = {
        {"a socket of UDP by a ring", "connect by UDP by a ring", "send by UDP by a ring",
         SOCK_DGRAM},
        {"a socket of TCP by a ring", "connect by TCP by a ring", "send by TCP by a ring",
         SOCK_STREAM},
    };
    for (int i = 0; i < 2; ++i) {
        const struct io_uring_sqe socket = {
            .opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = kSockets[i].kind};
        const struct Outcome made = request(thread, ring, socket);
        say(kSockets[i].make, made, 0);
        const int fd = made.value >= 0 ? (int)made.value : 2;
        const struct io_uring_sqe connect = {.opcode = IORING_OP_CONNECT,
                                             .fd = fd,
                                             .addr = AT(somebody),
                                             .off = sizeof(struct sockaddr_in)};
        say(kSockets[i].connect, request(thread, ring, connect), ECONNREFUSED);
        const struct io_uring_sqe send = {.opcode = IORING_OP_SEND,
                                          .fd = fd,
                                          .addr = AT(buffer),
                                          .len = 1,
                                          .msg_flags = MSG_NOSIGNAL};
        say(kSockets[i].send, request(thread, ring, send), EPIPE);
    }
    const struct io_uring_sqe splice = {.opcode = IORING_OP_SPLICE,
                                        .fd = 1000,
                                        .splice_fd_in = 1000,
                                        .splice_off_in = UINT64_MAX,
                                        .off = UINT64_MAX,
                                        .len = 1};
    say("splice by a ring", request(thread, ring, splice), EBADF);
    const struct io_uring_sqe write = {
        .opcode = IORING_OP_WRITE, .fd = 2, .addr = AT(buffer), .off = UINT64_MAX};
    say("write to a descriptor that is not the ring's", request(thread, ring, write), 0);
    const struct io_uring_sqe close = {.opcode = IORING_OP_CLOSE, .fd = 1000};
    say("close by a ring", request(thread, ring, close), EBADF);
}

/* Every operation but those of the devices, and one of those. */
static void try_operations(struct Thread* thread, const struct Ring* ring) {
    static const unsigned char kAllowed[] = {
        IORING_OP_READ,  IORING_OP_WRITE,     IORING_OP_READV,    IORING_OP_WRITEV,
        IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL};
    for (int operation = 0; operation < 256; ++operation) {
        if (memchr(kAllowed, operation, sizeof(kAllowed)) != NULL) continue;
        char name[32];
        snprintf(name, sizeof(name), "operation %d", operation);
        const struct io_uring_sqe entry = {.opcode = (unsigned char)operation,
                                           .flags = IOSQE_FIXED_FILE};
        say(name, request(thread, ring, entry), 0);
    }
    const struct io_uring_sqe cancel = {
        .opcode = IORING_OP_ASYNC_CANCEL, .flags = IOSQE_FIXED_FILE, .fd = -1, .addr = ~kTag};
    say("cancel what is not there", request(thread, ring, cancel), 0);
}

static int number_of_ring(const struct Thread* thread) {
    for (int number = 0; number < 1024; ++number) {
        char path[64], link[64] = "";
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", thread->tid, number);
        if (readlink(path, link, sizeof(link) - 1) > 0 && strstr(link, "[io_uring]") != NULL)
            return number;
    }
    fputs("it has no ring\n", stderr);
    exit(78);
}

void try_ring(struct Thread* thread) {
    prepare(thread);
    const struct Ring ring = open_ring(thread, number_of_ring(thread));
    try_requests(thread, &ring);
    try_operations(thread, &ring);
}

void try_new_ring(struct Thread* thread) {
    prepare(thread);
    const unsigned long setup[6] = {8, AT(params)};
    const struct Outcome made = thread_call(thread, SYS_io_uring_setup, setup);
    say("make a ring", made, 0);
    if (made.kind != RETURNED || made.value < 0) return;
    const struct Ring ring = open_ring(thread, (int)made.value);
    try_requests(thread, &ring);
}
