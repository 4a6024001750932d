#include "kafka/wire/frame.h"

#include "base/mutant.h"
#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

Result<std::optional<ByteView>> cut_frame(ByteView bytes, std::size_t size_max) {
  if (bytes.size() < frame_size_field) return std::optional<ByteView>();
  std::int32_t claimed = load_be<std::int32_t>(bytes.data());
  if (claimed <= 0) return Error{Errc::invalid_argument, "frame size is not positive"};
  auto size = static_cast<std::size_t>(claimed);
  if (size > size_max && !TRV_MUTANT(request_size_unchecked))
    return Error{Errc::too_large, "frame is larger than the maximum"};
  if (bytes.size() - frame_size_field < size) return std::optional<ByteView>();
  return std::optional(bytes.substr(frame_size_field, size));
}

RequestHeader read_header_begin(ByteReader& in) {
  RequestHeader header;
  header.key = in.i16();
  header.version = in.i16();
  header.correlation_id = in.i32();
  return header;
}

void read_header_end(ByteReader& in, bool flexible, RequestHeader& header) {
  // The client id keeps its two-byte length even in flexible versions.
  std::int16_t size = in.i16();
  if (size < -1) in.fail();
  if (size > 0) header.client_id = in.bytes(static_cast<std::size_t>(size));
  if (!flexible || !in.ok()) return;
  Decoder tagged(in.rest(), header.version, true);
  tagged.skip_tags();
  if (!tagged.ok()) {
    in.fail();
    return;
  }
  in.skip(in.remaining() - tagged.remaining());
}

}  // namespace trv::kafka::wire
