/* How large the buffers of a bind group are: by the sizes of its operands a product's layer is known, whatever its shader says. */
#include "driver.h"

#include <pthread.h>
#include <stdlib.h>

/* Two tables with open addressing, by handle. Nothing is taken out: the driver gives handles of what is gone to what comes. What groups
 * hold lies apart and without gaps, for it is part of the time that is measured. */
enum { SLOTS = 1 << 15 };
static struct {
    VkBuffer buffer;
    uint64_t bytes;
} buffers[SLOTS];
static struct {
    VkDescriptorSet set;
    struct operands *operands;
} groups[SLOTS];
static struct operands held[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned first_slot(uint64_t handle) { return (unsigned)((handle >> 4) * 2654435761u % SLOTS); }

static unsigned buffer_slot(VkBuffer buffer) {
    unsigned at = first_slot((uint64_t)buffer);
    while (buffers[at].buffer && buffers[at].buffer != buffer) at = (at + 1) % SLOTS;
    return at;
}

static unsigned group_slot(VkDescriptorSet set) {
    unsigned at = first_slot((uint64_t)set);
    while (groups[at].set && groups[at].set != set) at = (at + 1) % SLOTS;
    return at;
}

/* A slot always stays empty, at which a search ends. */
static void one_more(unsigned *used) {
    if (++*used < SLOTS) return;
    fprintf(stderr, "more than %d buffers or bind groups\n", SLOTS);
    exit(1);
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_CreateBuffer(VkDevice device, const VkBufferCreateInfo *info,
                                                         const VkAllocationCallbacks *allocator, VkBuffer *buffer) {
    VkResult result = next.CreateBuffer(device, info, allocator, buffer);
    if (result != VK_SUCCESS) return result;
    static unsigned used;
    pthread_mutex_lock(&lock);
    unsigned at = buffer_slot(*buffer);
    if (!buffers[at].buffer) one_more(&used);
    buffers[at].buffer = *buffer;
    buffers[at].bytes = info->size;
    pthread_mutex_unlock(&lock);
    return VK_SUCCESS;
}

const struct operands *operands_of(VkDescriptorSet set) {
    pthread_mutex_lock(&lock);
    const struct operands *operands = groups[group_slot(set)].operands;
    pthread_mutex_unlock(&lock);
    return operands;
}

void note_group(VkDescriptorSet set) {
    static unsigned used;
    pthread_mutex_lock(&lock);
    unsigned at = group_slot(set);
    if (!groups[at].set) {
        groups[at].operands = &held[used];
        one_more(&used);
    }
    groups[at].set = set;
    *groups[at].operands = (struct operands){0};
    pthread_mutex_unlock(&lock);
}

void note_operands(uint32_t count, const VkWriteDescriptorSet *writes) {
    pthread_mutex_lock(&lock);
    for (uint32_t k = 0; k < count; k++) {
        const VkWriteDescriptorSet *write = &writes[k];
        struct operands *operands = groups[group_slot(write->dstSet)].operands;
        for (uint32_t j = 0; write->pBufferInfo && j < write->descriptorCount; j++) {
            const VkDescriptorBufferInfo *info = &write->pBufferInfo[j];
            if (write->dstBinding + j >= BINDINGS) continue;
            uint64_t whole = buffers[buffer_slot(info->buffer)].bytes - info->offset;
            operands->bytes[write->dstBinding + j] = info->range == VK_WHOLE_SIZE ? whole : info->range;
        }
    }
    pthread_mutex_unlock(&lock);
}

const struct replacement binding[] = {REPLACE(CreateBuffer), {0}};
