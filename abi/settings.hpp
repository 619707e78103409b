// What a guest's init is told: by `mayfly run --image` in the run file, by mayfly-image in the
// image's own configuration, and by `--net auto` on the kernel's command line
// (docs/images.md).
//
// Both files are records KEY=VALUE that each end with a NUL, so that every byte but NUL, which no
// argument can hold, passes unchanged. Keys that a reader does not know are passed over.
#pragma once

namespace guest_abi {

constexpr char kRunFile[] = "/mayfly.run";   // in the initial RAM disk
constexpr char kImageFolder[] = "/.mayfly";  // in the image
constexpr char kImageConfig[] = "/.mayfly/config";

// Of both files.
constexpr char kArgumentKey[] = "arg";  // repeated, in order
constexpr char kVariableKey[] = "env";  // repeated: NAME=VALUE
constexpr char kFolderKey[] = "workdir";
constexpr char kUserKey[] = "user";  // USER[:GROUP], names or numbers

// Of the image's alone.
constexpr char kVolumeKey[] = "volume";  // repeated: a folder that the program counts on

// Of the run file alone.
constexpr char kVersionKey[] = "abi";  // the monitor's kVersion, decimal (abi/version.hpp)
constexpr char kHostnameKey[] = "hostname";
constexpr char kRootKey[] = "root";          // kRootReadWrite; else the image is only read
constexpr char kTerminalKey[] = "terminal";  // ROWSxCOLUMNS: the program gets one
constexpr char kClockKey[] = "clock";        // seconds since 1970
constexpr char kSeedKey[] = "seed";          // random bytes, hexadecimal

constexpr char kRootReadWrite[] = "rw";

// A word of the command line: kNetworkWord ADDRESS/PREFIX[,GATEWAY[,NAMESERVER]], for eth0.
constexpr char kNetworkWord[] = "mayfly.net=";

}  // namespace guest_abi
