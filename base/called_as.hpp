// Under which name a program was started: its own, or that of the program of Firecracker's whose
// place it takes. Clients of that one look where it puts things and how it ends, and under its name
// find that; docs/drop-in.md has every difference between the two.
#pragma once

#include <cstdint>
#include <string_view>

enum class CalledAs : uint8_t { kItself, kPeer };

// The version of Firecracker whose API is spoken; tools ask for it to learn what they may use.
inline constexpr const char* kPeerVersion = "1.15.0";

// `peer`: "firecracker" or "jailer". A file may be called after its release, too, as in
// firecracker-v1.15.0-x86_64. `program`: argv[0], a name or a path.
CalledAs called_as(std::string_view program, std::string_view peer);
