/* Counts what is recorded and submitted, and records nothing: what is left of a step's time is the host's own. */
#define _POSIX_C_SOURCE 200809L
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Added to from any thread; the process ends before they are read. */
#define COUNTERS(X) \
    X(dispatches) X(copies) X(fills) X(barriers) X(bind_groups_made) X(bind_groups_bound) X(descriptor_writes) \
    X(command_buffers) X(submissions)
static struct {
#define MEMBER(name) _Atomic uint64_t name;
    COUNTERS(MEMBER)
#undef MEMBER
} counted;

/* The time that the thread that submitted last had computed by then. */
static double host_seconds;

/* How often a pipeline ran with so many workgroups on operands of such sizes. wgpu records one command buffer at a time. */
struct runs {
    struct operands operands;
    uint64_t groups, count;
    struct runs *others;
};
static struct runs *runs[MOST_PIPELINES];
static int bound = -1;
static VkDescriptorSet bound_set;

static VKAPI_ATTR void VKAPI_CALL graft_CmdBindPipeline(VkCommandBuffer commands, VkPipelineBindPoint point, VkPipeline pipeline) {
    (void)commands, (void)point;
    bound = pipeline_number(pipeline);
}

static VKAPI_ATTR void VKAPI_CALL graft_CmdDispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z) {
    (void)commands;
    counted.dispatches++;
    if (bound < 0) return;
    uint64_t groups = (uint64_t)x * y * z;
    const struct operands *operands = operands_of(bound_set);
    struct runs *entry = runs[bound];
    while (entry && (entry->groups != groups || memcmp(&entry->operands, operands, sizeof *operands))) entry = entry->others;
    if (!entry) {
        entry = malloc(sizeof *entry);
        *entry = (struct runs){*operands, groups, 0, runs[bound]};
        runs[bound] = entry;
    }
    entry->count++;
}

static VKAPI_ATTR void VKAPI_CALL graft_CmdCopyBuffer(VkCommandBuffer commands, VkBuffer from, VkBuffer to, uint32_t count,
                                                      const VkBufferCopy *regions) {
    (void)commands, (void)from, (void)to, (void)count, (void)regions;
    counted.copies++;
}

static VKAPI_ATTR void VKAPI_CALL graft_CmdFillBuffer(VkCommandBuffer commands, VkBuffer buffer, VkDeviceSize offset,
                                                      VkDeviceSize size, uint32_t word) {
    (void)commands, (void)buffer, (void)offset, (void)size, (void)word;
    counted.fills++;
}

static VKAPI_ATTR void VKAPI_CALL graft_CmdPipelineBarrier(VkCommandBuffer commands, VkPipelineStageFlags before,
                                                           VkPipelineStageFlags after, VkDependencyFlags flags, uint32_t count,
                                                           const VkMemoryBarrier *barriers, uint32_t buffers,
                                                           const VkBufferMemoryBarrier *buffer_barriers, uint32_t images,
                                                           const VkImageMemoryBarrier *image_barriers) {
    (void)commands, (void)before, (void)after, (void)flags, (void)count, (void)barriers, (void)buffers, (void)buffer_barriers;
    (void)images, (void)image_barriers;
    counted.barriers++;
}

static VKAPI_ATTR void VKAPI_CALL graft_CmdBindDescriptorSets(VkCommandBuffer commands, VkPipelineBindPoint point,
                                                              VkPipelineLayout layout, uint32_t first, uint32_t count,
                                                              const VkDescriptorSet *sets, uint32_t offsets,
                                                              const uint32_t *dynamic) {
    (void)commands, (void)point, (void)layout, (void)first, (void)offsets, (void)dynamic;
    counted.bind_groups_bound += count;
    bound_set = sets[0];
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_AllocateDescriptorSets(VkDevice device, const VkDescriptorSetAllocateInfo *info,
                                                                   VkDescriptorSet *sets) {
    counted.bind_groups_made += info->descriptorSetCount;
    VkResult result = next.AllocateDescriptorSets(device, info, sets);
    for (uint32_t k = 0; result == VK_SUCCESS && k < info->descriptorSetCount; k++) note_group(sets[k]);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL graft_UpdateDescriptorSets(VkDevice device, uint32_t writes, const VkWriteDescriptorSet *write,
                                                             uint32_t copies, const VkCopyDescriptorSet *copy) {
    counted.descriptor_writes += writes;
    note_operands(writes, write);
    next.UpdateDescriptorSets(device, writes, write, copies, copy);
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_BeginCommandBuffer(VkCommandBuffer commands, const VkCommandBufferBeginInfo *info) {
    (void)commands, (void)info;
    counted.command_buffers++;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_QueueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo *submissions,
                                                        VkFence fence) {
    (void)queue, (void)fence;
    for (uint32_t k = 0; k < count; k++) signal_semaphores(&submissions[k]);
    counted.submissions += count;
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    host_seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    return VK_SUCCESS;
}

void report_counts(void) {
    FILE *file = report_file("counts");
#define PRINT(name) fprintf(file, #name " %llu\n", (unsigned long long)counted.name);
    COUNTERS(PRINT)
#undef PRINT
    fprintf(file, "host_seconds %.9f\n", host_seconds);
    fclose(file);
    file = report_file("runs");
    for (int number = 0; number < MOST_PIPELINES; number++) {
        for (const struct runs *entry = runs[number]; entry; entry = entry->others) {
            fprintf(file, "%d %llu %llu", number, (unsigned long long)entry->count, (unsigned long long)entry->groups);
            for (int k = 0; k < BINDINGS; k++) fprintf(file, " %llu", (unsigned long long)entry->operands.bytes[k]);
            fputc('\n', file);
        }
    }
    fclose(file);
}

const struct replacement counting[] = {
    REPLACE(CmdBindPipeline),      REPLACE(CmdDispatch),           REPLACE(CmdCopyBuffer),
    REPLACE(CmdFillBuffer),        REPLACE(CmdPipelineBarrier),    REPLACE(CmdBindDescriptorSets),
    REPLACE(AllocateDescriptorSets), REPLACE(UpdateDescriptorSets), REPLACE(BeginCommandBuffer),
    REPLACE(QueueSubmit),          {0},
};
