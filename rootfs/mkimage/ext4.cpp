#include "rootfs/mkimage/makers.hpp"
#include "rootfs/mkimage/tool.hpp"
Result<> make_ext4(const std::string&, const std::string&, uint32_t, std::optional<uint64_t>,
                   Job&) {
    return Error{"ext4", ENOSYS};
}
