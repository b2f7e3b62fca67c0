#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "model/object.h"

namespace torchvet {

/// One pickle of an artifact as a program: what it would import and call if something ran it.
struct PickleProgram {
  struct Import {
    std::string module;
    std::string name;
    ByteRange where;
    bool computed = false;  ///< the name comes out of a call; what is here renders that
  };
  struct Call {
    ObjectId callable = kNoObject;           ///< a Global; kNoObject when it is no imported name
    Object::How how = Object::How::kReduce;  ///< kChange: BUILD and other changes of an object
    ObjectId object = kNoObject;             ///< the Call object in the tree: for the first BUILD
                                             ///< of an instance, the call that made the instance
    ByteRange where;
  };

  std::string name;  ///< member that holds it ("data.pkl"), or a part of a stream
  std::optional<MemberId> member;
  ByteRange where;  ///< from the first opcode to STOP
  int protocol = 0;
  std::uint64_t opcodes = 0;
  std::uint64_t highest_put = 0;     ///< the highest number under which a PUT stores a value
  std::uint64_t trailing_bytes = 0;  ///< after STOP, where nothing should follow (the reader knows)
  ObjectId root = kNoObject;
  std::vector<Import> imports;
  std::deque<Call> calls;  ///< there may be millions, and none moves when one is added
};

}  // namespace torchvet
