// SPDX-License-Identifier: Apache-2.0
//
// Every failure that dcache reports is one of these classes. A miss is not a failure: `get` answers with an
// empty optional. The text of an error names the path, the key (escaped) and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

#include "dcache/export.hpp"

namespace dcache {

/// The root of all errors of this library.
class DCACHE_EXPORT Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~Error() override;
};

/// A deadline passed: the lock was still held, or the store still busy. Nothing was changed.
class DCACHE_EXPORT Timeout : public Error {
 public:
  using Error::Error;
  ~Timeout() override;
};

/// The caller asked not to wait, and it would have had to.
class DCACHE_EXPORT Busy : public Error {
 public:
  using Error::Error;
  ~Busy() override;
};

/// A wait was ended by its stop token.
class DCACHE_EXPORT Cancelled : public Error {
 public:
  using Error::Error;
  ~Cancelled() override;
};

/// A lock was released or renewed by somebody who never held it.
class DCACHE_EXPORT NotOwner : public Error {
 public:
  using Error::Error;
  ~NotOwner() override;
};

/// A lock that this handle held is gone: its lease ended, or somebody cleared it.
class DCACHE_EXPORT LockLost : public Error {
 public:
  using Error::Error;
  ~LockLost() override;
};

/// Waiting would never end: the caller itself holds what it asks for.
class DCACHE_EXPORT Deadlock : public Error {
 public:
  using Error::Error;
  ~Deadlock() override;
};

/// A cache or lock of the parent process was used in a forked child: open the directory again there.
class DCACHE_EXPORT Forked : public Error {
 public:
  using Error::Error;
  ~Forked() override;
};

/// Something exists that was asked to be absent.
class DCACHE_EXPORT AlreadyExists : public Error {
 public:
  using Error::Error;
  ~AlreadyExists() override;
};

/// The stored value is of another type than the call needs, as with `incr` on text.
class DCACHE_EXPORT WrongType : public Error {
 public:
  using Error::Error;
  ~WrongType() override;
};

/// The disk, a quota or a size limit is exhausted. What was stored before is intact; deleting still works.
class DCACHE_EXPORT Full : public Error {
 public:
  using Error::Error;
  ~Full() override;
};

/// The directory, the file or the medium cannot be written.
class DCACHE_EXPORT ReadOnly : public Error {
 public:
  using Error::Error;
  ~ReadOnly() override;
};

/// Stored bytes do not match their checksum, or the database is damaged.
class DCACHE_EXPORT Corrupt : public Error {
 public:
  using Error::Error;
  ~Corrupt() override;
};

/// The directory holds no cache, or a database that is not ours, or one of a newer version.
class DCACHE_EXPORT NotACache : public Error {
 public:
  using Error::Error;
  ~NotACache() override;
};

/// An argument is out of range or makes no sense. Nothing was changed.
class DCACHE_EXPORT InvalidArgument : public Error {
 public:
  using Error::Error;
  ~InvalidArgument() override;
};

/// The platform, file system or engine cannot do what was asked, or would do it unsafely.
class DCACHE_EXPORT Unsupported : public Error {
 public:
  using Error::Error;
  ~Unsupported() override;
};

/// A call in a place where it cannot keep its promise, as a lock operation inside `transact`.
class DCACHE_EXPORT Misuse : public Error {
 public:
  using Error::Error;
  ~Misuse() override;
};

/// The operating system failed a read, write or other call; the text carries its reason.
class DCACHE_EXPORT IoError : public Error {
 public:
  using Error::Error;
  ~IoError() override;
};

}  // namespace dcache
