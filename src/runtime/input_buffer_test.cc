#include "runtime/input_buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace trv::runtime {
namespace {

// Receives as a socket would: as much as the room takes.
std::size_t receive(InputBuffer& buffer, std::string_view bytes) {
  std::span<char> room = buffer.room();
  std::size_t size = std::min(room.size(), bytes.size());
  std::memcpy(room.data(), bytes.data(), size);
  buffer.filled(size);
  return size;
}

TEST(InputBuffer, HoldsNothingWhileItIsEmpty) {
  InputBlockPool pool;
  InputBuffer buffer(pool);
  EXPECT_EQ(buffer.capacity(), 0u);
  receive(buffer, "abc");
  EXPECT_EQ(buffer.unread(), "abc");
  buffer.release_if_empty();
  EXPECT_GT(buffer.capacity(), 0u);
  buffer.consume(3);
  buffer.release_if_empty();
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(InputBuffer, NeverOffersCrumbs) {
  // Units of 1,075 bytes leave a remainder in every block.
  InputBlockPool pool;
  InputBuffer buffer(pool);
  std::string stream;
  for (int i = 0; i < 4000; ++i) stream += std::string(1075, static_cast<char>('a' + i % 26));
  std::string used;
  std::size_t sent = 0;
  int reads = 0;
  while (sent < stream.size()) {
    sent += receive(buffer, std::string_view(stream).substr(sent));
    ++reads;
    while (buffer.size() >= 1075) {
      used += buffer.unread().substr(0, 1075);
      buffer.consume(1075);
    }
  }
  EXPECT_TRUE(used == stream);
  EXPECT_LE(static_cast<std::size_t>(reads), stream.size() / (InputBuffer::block_size / 4));
  EXPECT_EQ(buffer.capacity(), InputBuffer::block_size);
}

TEST(InputBuffer, GrowsWithWhatHasArrived) {
  InputBlockPool pool;
  InputBuffer buffer(pool);
  std::string unit(5u << 20, 'x');
  unit[unit.size() / 2] = 'y';
  for (std::size_t sent = 0; sent < unit.size();) {
    sent += receive(buffer, std::string_view(unit).substr(sent));
    EXPECT_LE(buffer.capacity(), std::max(InputBuffer::block_size, 4 * buffer.size()));
  }
  EXPECT_TRUE(buffer.unread() == unit);
}

TEST(InputBuffer, RemembersTheSizeOfRequestsForAWhile) {
  InputBlockPool pool;
  InputBuffer buffer(pool);
  // The number of receives until all is there; the buffer is empty afterwards.
  auto receive_all = [&](std::size_t size) {
    const std::string unit(size, 'x');
    int count = 0;
    for (std::size_t sent = 0; sent < size; ++count) {
      sent += receive(buffer, std::string_view(unit).substr(sent));
    }
    EXPECT_EQ(buffer.size(), size);
    buffer.consume(size);
    buffer.release_if_empty();
    EXPECT_EQ(buffer.capacity(), 0u);
    return count;
  };
  EXPECT_GT(receive_all(300'000), 1);
  EXPECT_EQ(receive_all(300'000), 1);
  for (int i = 0; i < 5; ++i) receive_all(100);
  receive(buffer, "x");
  EXPECT_EQ(buffer.capacity(), InputBuffer::block_size);
}

TEST(InputBlockPool, HandsOutWhatCameBack) {
  InputBlockPool pool;
  InputBlock small = pool.take(1000);
  InputBlock large = pool.take(100'000);
  const char* small_at = small.bytes.get();
  const char* large_at = large.bytes.get();
  pool.give_back(std::move(small));
  pool.give_back(std::move(large));
  EXPECT_EQ(pool.take(900).bytes.get(), small_at);
  InputBlock other = pool.take(100);
  EXPECT_NE(other.bytes.get(), large_at) << "a giant for a small wish";
  EXPECT_EQ(pool.take(100'000).bytes.get(), large_at);
}

TEST(InputBlockPool, KeepsLittle) {
  InputBlockPool pool;
  InputBlock giant = pool.take(InputBlockPool::spare_bytes_max + 1);
  const char* at = giant.bytes.get();
  std::memset(giant.bytes.get(), 1, 1);
  InputBlock kept = pool.take(InputBlockPool::spare_bytes_max);
  const char* kept_at = kept.bytes.get();
  pool.give_back(std::move(kept));
  pool.give_back(std::move(giant));
  InputBlock again = pool.take(InputBlockPool::spare_bytes_max);
  EXPECT_EQ(again.bytes.get(), kept_at);
  EXPECT_NE(again.bytes.get(), at);
}

TEST(InputBuffer, PartsPutTogetherOutliveTheBufferWithTheirBlock) {
  InputBlockPool pool;
  InputBuffer buffer(pool);
  std::string whole;
  for (int i = 0; i < 10; ++i) {
    const std::string part(50'000, static_cast<char>('a' + i));
    buffer.append(part);
    whole += part;
  }
  const ByteView view = buffer.unread();
  buffer.consume(view.size());
  InputBlock block = buffer.take_block();
  EXPECT_EQ(buffer.capacity(), 0u);
  buffer.append("next");
  EXPECT_TRUE(view == whole);
  EXPECT_GT(buffer.capacity(), whole.size());  // learned from the last one
  pool.give_back(std::move(block));
}

}  // namespace
}  // namespace trv::runtime
