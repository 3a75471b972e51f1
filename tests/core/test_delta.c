/* test_delta.c - stored differences: whatever the words, decoding gives them back. */
#include "stack/stack.h"
#include "runner.h"

static uint64_t seed = 88172645463325252u;

static uint64_t random_word(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

struct fixture {
    gos_sched s;
    gos_slot slot;
};

static void open_fixture(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    REQUIRE(gosi_spare_reserve(&f->s, 64 * 1024) == GOS_OK);
}

static void close_fixture(struct fixture *f)
{
    gosi_delta_fini(&f->s, &f->slot);
    CHECK_INT(f->s.evicted_bytes, ==, 0);
    gosi_free(f->s.spare);
}

struct slice {
    uint64_t *stored, *words;
    size_t count, bytes;
    uint8_t kind;
};

/* Encode and keep a copy, as gosi_evict does; raw ones are not kept. */
static void store(struct fixture *f, struct slice *slice, const uint64_t *words, size_t count)
{
    slice->count = count;
    slice->kind = 99;
    size_t bytes = gosi_delta_encode(&f->s, &f->slot, words, count, &slice->kind);
    slice->stored = slice->words = NULL;
    if (!slice->kind) {
        CHECK_INT(bytes, ==, 0);
        return;
    }
    CHECK_INT(bytes, <=, count * 8);
    slice->bytes = bytes;
    slice->stored = malloc(bytes);
    memcpy(slice->stored, f->s.spare, bytes);
    slice->words = malloc(count * 8);
    memcpy(slice->words, words, count * 8);
}

static void check_and_release(struct fixture *f, struct slice *slice)
{
    if (!slice->kind)
        return;
    uint64_t *back = malloc(slice->count * 8);
    CHECK_INT(gosi_delta_decode(&f->slot, slice->kind, slice->stored, back, slice->count), ==, slice->bytes);
    CHECK_INT(memcmp(back, slice->words, slice->count * 8), ==, 0);
    gosi_delta_release(&f->s, &f->slot, slice->kind);
    free(back);
    free(slice->stored);
    free(slice->words);
    slice->kind = 0;
}

CASE(every_length_and_density)
{
    struct fixture f;
    open_fixture(&f);
    static uint64_t base[400], words[400];
    int encoded = 0;
    for (size_t count = 1; count <= 400; count += count < 70 ? 1 : 33)
        for (int density = 0; density <= 64; density += 4) {
            struct slice first, second;
            for (size_t i = 0; i < count; i++) {
                base[i] = random_word();
                words[i] = (int)(random_word() % 64) < density ? random_word() : base[i];
            }
            store(&f, &first, base, count);
            store(&f, &second, words, count);
            encoded += (first.kind != 0) + (second.kind != 0);
            check_and_release(&f, &second);
            check_and_release(&f, &first);
        }
    CHECK_INT(encoded, >, 100);
    close_fixture(&f);
}

CASE(equal_slices_take_a_bit_a_word)
{
    struct fixture f;
    open_fixture(&f);
    uint64_t words[130];
    for (size_t i = 0; i < 130; i++)
        words[i] = random_word();
    uint8_t kind;
    CHECK_INT(gosi_delta_encode(&f.s, &f.slot, words, 130, &kind), ==, 24);
    CHECK_INT(kind, !=, 0);
    gosi_delta_release(&f.s, &f.slot, kind);
    close_fixture(&f);
}

CASE(slices_that_differ_stay_raw_and_get_a_new_template)
{
    struct fixture f;
    open_fixture(&f);
    uint64_t words[64];
    int raw = 0, encoded = 0;
    for (int n = 0; n < 200; n++) {
        for (size_t i = 0; i < 64; i++)
            words[i] = random_word();
        uint8_t kind;
        (void)gosi_delta_encode(&f.s, &f.slot, words, 64, &kind);
        kind ? encoded++ : raw++;
        if (kind)
            gosi_delta_release(&f.s, &f.slot, kind);
    }
    CHECK_INT(encoded, >, 5); /* the template itself, each time it is replaced */
    CHECK_INT(raw, >, 150);
    close_fixture(&f);
}

CASE(many_slices_of_many_lengths)
{
    enum { SLICES = 500 };
    struct fixture f;
    open_fixture(&f);
    static struct slice slices[SLICES];
    static uint64_t bases[16][512];
    for (int b = 0; b < 16; b++)
        for (int i = 0; i < 512; i++)
            bases[b][i] = random_word();
    int kept = 0;
    for (int n = 0; n < 20000 / test_slowness(); n++) {
        struct slice *slice = &slices[random_word() % SLICES];
        check_and_release(&f, slice);
        size_t b = random_word() % 16, count = 10 + b * 31;
        static uint64_t words[512];
        memcpy(words, bases[b], count * 8);
        for (size_t i = random_word() % (count / 2); i > 0; i--)
            words[random_word() % count] = random_word();
        store(&f, slice, words, count);
        kept += slice->kind != 0;
    }
    CHECK_INT(kept, >, 100);
    for (int i = 0; i < SLICES; i++)
        check_and_release(&f, &slices[i]);
    close_fixture(&f);
}

CASE(a_spare_of_the_size_of_the_slice_is_enough)
{
    struct fixture f;
    memset(&f, 0, sizeof f);
    static uint64_t base[200], words[200];
    for (size_t count = 1; count < 200; count++) {
        for (size_t i = 0; i < count; i++) {
            base[i] = random_word();
            words[i] = (random_word() % 100) < count / 2 ? random_word() : base[i];
        }
        uint64_t *spare = malloc((count + 1) * 8); /* sanitizers and valgrind watch its end, too */
        spare[count] = 0x5afe5afe5afe5afe;
        f.s.spare = spare;
        f.s.spare_size = count * 8;
        uint8_t kinds[2];
        (void)gosi_delta_encode(&f.s, &f.slot, base, count, &kinds[0]);
        (void)gosi_delta_encode(&f.s, &f.slot, words, count, &kinds[1]);
        CHECK(spare[count] == 0x5afe5afe5afe5afe);
        for (int i = 0; i < 2; i++)
            if (kinds[i])
                gosi_delta_release(&f.s, &f.slot, kinds[i]);
        free(spare);
    }
    gosi_delta_fini(&f.s, &f.slot);
}
