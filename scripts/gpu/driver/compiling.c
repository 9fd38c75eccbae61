/* Writes down every compute pipeline: its shader and what the compiler made of it. */
#include "driver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Shaders that are not destroyed yet: wgpu destroys each once its pipeline is made. */
struct shader {
    VkShaderModule module;
    size_t bytes;
    void *code;
    struct shader *others;
};
static struct shader *shaders;

static VKAPI_ATTR VkResult VKAPI_CALL graft_CreateShaderModule(VkDevice device, const VkShaderModuleCreateInfo *info,
                                                               const VkAllocationCallbacks *allocator, VkShaderModule *module) {
    VkResult result = next.CreateShaderModule(device, info, allocator, module);
    if (result != VK_SUCCESS) return result;
    struct shader *shader = malloc(sizeof *shader);
    *shader = (struct shader){*module, info->codeSize, malloc(info->codeSize), NULL};
    memcpy(shader->code, info->pCode, info->codeSize);
    pthread_mutex_lock(&lock);
    shader->others = shaders;
    shaders = shader;
    pthread_mutex_unlock(&lock);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL graft_DestroyShaderModule(VkDevice device, VkShaderModule module,
                                                            const VkAllocationCallbacks *allocator) {
    pthread_mutex_lock(&lock);
    struct shader **at = &shaders;
    while (*at && (*at)->module != module) at = &(*at)->others;
    struct shader *shader = *at;
    if (shader) *at = shader->others;
    pthread_mutex_unlock(&lock);
    if (shader) free(shader->code);
    free(shader);
    next.DestroyShaderModule(device, module, allocator);
}

/* Pipelines by number, and their numbers by handle: a table with open addressing, twice as large as what it holds, for it is asked
 * at each dispatch of which the host's time is measured. */
enum { SLOTS = 2 * MOST_PIPELINES };
static VkPipeline pipelines[SLOTS];
static int numbers[SLOTS];
static int count;

static unsigned slot(VkPipeline pipeline) {
    unsigned at = (unsigned)(((uintptr_t)pipeline >> 4) * 2654435761u % SLOTS);
    while (pipelines[at] && pipelines[at] != pipeline) at = (at + 1) % SLOTS;
    return at;
}

int pipeline_number(VkPipeline pipeline) {
    unsigned at = slot(pipeline);
    return pipelines[at] ? numbers[at] : -1;
}

static FILE *pipeline_file(int number, const char *what) {
    char name[64];
    snprintf(name, sizeof name, "%04d.%s", number, what);
    return report_file(name);
}

static void write_shader(int number, VkShaderModule module) {
    FILE *file = pipeline_file(number, "spv");
    for (const struct shader *shader = shaders; shader; shader = shader->others) {
        if (shader->module == module) fwrite(shader->code, 1, shader->bytes, file);
    }
    fclose(file);
}

static void write_statistics(VkDevice device, int number, const VkPipelineExecutableInfoKHR *executable) {
    uint32_t most = 0;
    next.GetPipelineExecutableStatisticsKHR(device, executable, &most, NULL);
    VkPipelineExecutableStatisticKHR *statistics = calloc(most, sizeof *statistics);
    for (uint32_t k = 0; k < most; k++) statistics[k].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    next.GetPipelineExecutableStatisticsKHR(device, executable, &most, statistics);
    FILE *file = pipeline_file(number, "statistics");
    for (uint32_t k = 0; k < most; k++) {
        /* RADV's are whole numbers, all of them. */
        fprintf(file, "%s\t%llu\n", statistics[k].name, (unsigned long long)statistics[k].value.u64);
    }
    fclose(file);
    free(statistics);
}

/* The card's own code. Asked for twice, as Vulkan has it: for the size of each text, then for the texts. */
static void write_assembly(VkDevice device, int number, const VkPipelineExecutableInfoKHR *executable) {
    uint32_t most = 0;
    next.GetPipelineExecutableInternalRepresentationsKHR(device, executable, &most, NULL);
    VkPipelineExecutableInternalRepresentationKHR *texts = calloc(most, sizeof *texts);
    for (uint32_t k = 0; k < most; k++) texts[k].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
    next.GetPipelineExecutableInternalRepresentationsKHR(device, executable, &most, texts);
    for (uint32_t k = 0; k < most; k++) texts[k].pData = calloc(1, texts[k].dataSize + 1);
    next.GetPipelineExecutableInternalRepresentationsKHR(device, executable, &most, texts);
    FILE *file = pipeline_file(number, "assembly");
    for (uint32_t k = 0; k < most; k++) {
        if (!strcmp(texts[k].name, "Assembly")) fputs(texts[k].pData, file);
        free(texts[k].pData);
    }
    fclose(file);
    free(texts);
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_CreateComputePipelines(VkDevice device, VkPipelineCache cache, uint32_t asked,
                                                                   const VkComputePipelineCreateInfo *infos,
                                                                   const VkAllocationCallbacks *allocator, VkPipeline *made) {
    (void)cache;
    for (uint32_t k = 0; k < asked; k++) {
        VkComputePipelineCreateInfo info = infos[k];
        info.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
        /* Without the cache, from which a pipeline would come without its code. */
        VkResult result = next.CreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, allocator, &made[k]);
        if (result != VK_SUCCESS) return result;
        pthread_mutex_lock(&lock);
        if (count == MOST_PIPELINES) {
            fprintf(stderr, "more than %d pipelines\n", MOST_PIPELINES);
            exit(1);
        }
        int number = count++;
        unsigned at = slot(made[k]);
        numbers[at] = number;
        pipelines[at] = made[k];
        VkPipelineExecutableInfoKHR executable = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = made[k], .executableIndex = 0};
        write_shader(number, info.stage.module);
        write_statistics(device, number, &executable);
        write_assembly(device, number, &executable);
        pthread_mutex_unlock(&lock);
    }
    return VK_SUCCESS;
}

const struct replacement compiling[] = {REPLACE(CreateShaderModule), REPLACE(DestroyShaderModule), REPLACE(CreateComputePipelines), {0}};
