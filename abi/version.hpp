// The version of what this folder says. Whoever changes a number, a layout or a meaning here so
// that the other side would misunderstand it raises the version; what only adds a word that the
// other side passes over does not.
//
// A guest says its version in the first frame that it sends (abi/channel.hpp), the monitor in the
// run file (abi/settings.hpp). Each refuses another one. What was built before there were versions
// says none, which is taken as 0.
#pragma once

#include <cstdint>

namespace guest_abi {

constexpr uint32_t kVersion = 1;

}  // namespace guest_abi
