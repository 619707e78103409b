/* An init of another version, in place of ours. usage: other_init hello=N|old|told=TEXT
 *
 * With "hello=N" it says by the channel that it is of version N; with "old" it does what init did
 * before there were versions, which is to give credit for stdin, in a frame whose type has 32 bits.
 * Either way it then waits to be ended. With "told=TEXT" it makes TEXT what the run file says, and
 * leaves the rest to our init. */
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kChannelPort = 0x2f0, kBuffersPort = 0x2f4, kStdinCredit = 3, kHello = 4 };

static void send_number(uint32_t type, uint32_t value) {
    const uint32_t frame[3] = {type, sizeof value, value};
    mknod("/memory", S_IFCHR | 0600, makedev(1, 1));
    const int fd = open("/memory", O_RDWR);
    if (fd < 0 || ioperm(kChannelPort, 8, 1) != 0) return perror("other_init");
    void* const buffer =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, inl(kBuffersPort));
    if (buffer == MAP_FAILED) return perror("other_init");
    memcpy(buffer, frame, sizeof frame);
    outl(sizeof frame, kChannelPort);
}

static void be_told(const char* text) {
    FILE* const file = fopen("/mayfly.run", "w");
    if (file == NULL) return perror("other_init");
    fprintf(file, "%s%carg=true%c", text, 0, 0);
    fclose(file);
    execl("/init", "/init", (char*)NULL);
    perror("other_init");
}

int main(int argc, char** argv) {
    const char* const word = argc > 1 ? argv[1] : "";
    if (strncmp(word, "hello=", 6) == 0) send_number(kHello, (uint32_t)strtoul(word + 6, NULL, 10));
    if (strcmp(word, "old") == 0) send_number(kStdinCredit, 65536);
    if (strncmp(word, "told=", 5) == 0) be_told(word + 5);
    for (;;) pause();
}
