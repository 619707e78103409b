#include "base/called_as.hpp"

CalledAs called_as(std::string_view program, std::string_view peer) {
    const std::string_view name = program.substr(program.rfind('/') + 1);
    if (!name.starts_with(peer)) return CalledAs::kItself;
    const std::string_view rest = name.substr(peer.size());
    return rest.empty() || rest.starts_with("-v") ? CalledAs::kPeer : CalledAs::kItself;
}
