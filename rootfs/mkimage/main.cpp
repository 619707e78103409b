// mayfly-image: disk images for guests, of folders, archives and container images.
#include <cstdio>
#include <span>

#include "base/log.hpp"
#include "rootfs/mkimage/image.hpp"
#include "rootfs/mkimage/tool.hpp"

namespace {

constexpr char kUsage[] =
    R"(mayfly-image makes the disk image of a guest. It mounts nothing and needs no root.

usage: mayfly-image SOURCE OUT [--format FORMAT] [--size SIZE] [--max-expansion N]

SOURCE is one of
  FOLDER               with its owners as they are; or an image layout, as below
  FILE                 a tar archive, compressed or not, or what `docker save` writes
  -                    the same on stdin
  docker-archive:FILE  what `docker save` writes, and nothing else
  oci:FOLDER[:TAG]     an OCI image layout, as `skopeo copy ... oci:FOLDER:TAG` writes it
OUT is a new file, or one to replace; it appears whole or not at all.

  --format erofs       read-only, not compressed: the quickest to start from (default)
  --format squashfs    read-only, compressed: small
  --format ext4        writable
  --size SIZE          of an ext4 image, as in 64M; by default what SOURCE takes, an eighth
                       of it and 16 MiB
  --max-expansion N    an archive may unpack to N times its size, and 64 MiB (default 64)
  -h, --help           this page; also as the word help alone
  -V, --version        the version; also as the word version alone

A container image's command, environment, user and working directory go to /.mayfly/config
in the image. The same SOURCE gives the same OUT, byte for byte. SOURCE_DATE_EPOCH is the time
that the file system was made (default 0). Tools: erofs-utils, squashfs-tools, e2fsprogs; and
fakeroot, for archives without root.

exit status: 0, 1 when no image could be made, 2 when the command line is wrong
)";

int print(const char* text) {
    return std::fputs(text, stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : 1;
}

int failed(const Error& error, int status) {
    log_error(error);
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    set_log_name("mayfly-image");
    const auto options = ImageOptions::parse({argv + 1, argc > 0 ? argv + argc : argv + 1});
    if (!options.ok()) return failed(options.error(), 2);
    if (options.value().asked == Asked::kHelp) return print(kUsage);
    if (options.value().asked == Asked::kVersion) return print("mayfly-image " MAYFLY_VERSION "\n");

    auto interrupt = Interrupt::create();
    if (!interrupt.ok()) return failed(interrupt.error(), 1);
    Job job{std::move(interrupt).value()};
    const auto made = make_image(options.value(), job);
    job.progress.clear();
    if (made.ok()) return 0;
    job.interrupt.end_process_if_any();
    if (is_said(made.error())) return 1;
    return failed(made.error(), 1);
}
