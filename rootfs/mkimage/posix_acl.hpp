// Access control lists of POSIX.1e as archives have them, in words, and as Linux has them, in an
// extended attribute. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

// kAccess: of the file itself. kDefault: of what is made in the folder.
enum class AclUse { kAccess, kDefault };

// "user::rwx,user:name:r--:1000,mask::r-x,..." or a line each, as the value of
// system.posix_acl_access or _default (linux/posix_acl_xattr.h). Empty: none, or one for access
// that says no more than the permissions do. Errors: malformed; a user or group has no number.
Result<std::string> encode_posix_acl(std::string_view text, AclUse use);
