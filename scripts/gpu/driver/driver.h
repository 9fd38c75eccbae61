/* What the files of the driver share: RADV's own functions behind it, and what each file puts in their place. */
#ifndef GRAFT_DRIVER_H
#define GRAFT_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <vulkan/vulkan.h>

/* Handles are pointers to what this driver has in their place. */
_Static_assert(sizeof(void *) == sizeof(uint64_t), "a machine of 64 bits");

/* The functions of RADV's device that this driver calls. They are those of the one card that RADV pretends to have, whichever device
 * asks. */
#define NEXT_FUNCTIONS(X) \
    X(CreateSemaphore) X(DestroySemaphore) X(CreateBuffer) X(GetBufferMemoryRequirements) X(GetBufferMemoryRequirements2) \
    X(AllocateDescriptorSets) X(UpdateDescriptorSets) X(CreateShaderModule) X(DestroyShaderModule) \
    X(CreateComputePipelines) X(GetPipelineExecutableStatisticsKHR) \
    X(GetPipelineExecutableInternalRepresentationsKHR)

struct next {
#define MEMBER(name) PFN_vk##name name;
    NEXT_FUNCTIONS(MEMBER)
#undef MEMBER
};
extern struct next next;

/* A function of Vulkan and what stands in its place. Tables of them end with a null name. */
struct replacement {
    const char *name;
    PFN_vkVoidFunction function;
};
#define REPLACE(name) {"vk" #name, (PFN_vkVoidFunction)graft_##name}
extern const struct replacement synchronisation[], memory[], binding[], counting[], compiling[];

/* A function of RADV, of an instance or, with none, of the library itself. */
PFN_vkVoidFunction instance_function(VkInstance instance, const char *name);

/* A file for the report, in the folder that GRAFT_DRIVER_REPORT names. Ends the process where it cannot be written. */
FILE *report_file(const char *name);

/* Gives the semaphores that a submission signals their new values. */
void signal_semaphores(const VkSubmitInfo *submission);

/* The bytes of the buffers that a bind group holds, by binding; 0 where there is none. */
enum { BINDINGS = 9 };
struct operands {
    uint64_t bytes[BINDINGS];
};
const struct operands *operands_of(VkDescriptorSet set);

/* Takes down that a bind group is new, and what it is given. */
void note_group(VkDescriptorSet set);
void note_operands(uint32_t count, const VkWriteDescriptorSet *writes);

/* The number of a pipeline in the report, or -1. */
int pipeline_number(VkPipeline pipeline);

/* The most pipelines that a report holds. */
enum { MOST_PIPELINES = 1024 };

/* Writes what was counted; at the end of the process. */
void report_counts(void);

#endif
