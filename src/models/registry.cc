#include "models/registry.h"

#include "models/albert.h"
#include "models/bert.h"
#include "models/deberta.h"
#include "models/decoder.h"
#include "models/distilbert.h"
#include "models/electra.h"
#include "models/gpt2.h"
#include "models/gte.h"
#include "models/jina_bert.h"
#include "models/jina_embeddings_v3.h"
#include "models/modernbert.h"
#include "models/mpnet.h"
#include "models/nomic_bert.h"
#include "models/roberta.h"
#include "models/static_embedding.h"
#include "models/t5.h"
#include "models/text_tower.h"

namespace wde::models {
namespace {

// One name for two models: position_embedding_type tells them apart.
struct XlmRobertaModel {
  static Result<ModelTraits> traits(const json::object& config) {
    return has_rotary_positions(config) ? JinaEmbeddingsV3Model::traits(config)
                                        : XlmRobertaEncoder::traits(config);
  }
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context) {
    return has_rotary_positions(config) ? JinaEmbeddingsV3Model::load(config, source, context)
                                        : XlmRobertaEncoder::load(config, source, context);
  }
};

constexpr auto kCausal = attention::MaskKind::kCausal;
constexpr auto kBidirectional = attention::MaskKind::kBidirectional;

using EuroBertModel = DecoderOf<DecoderConfig::of_eurobert, kBidirectional>;

// A decoder, whose mask config.json may choose; `kMask` where it does not.
template <DecoderConfig::Read& kRead, attention::MaskKind kMask = kCausal>
constexpr ModelEntry decoder(std::string_view architecture, std::string_view description) {
  using Entry = DecoderOf<kRead, kMask>;
  return {architecture, description, &Entry::traits, &Entry::load, kMask};
}

constexpr std::string_view kOfBidirectional = "a decoder that sees everything: LLM2Vec's";

constexpr ModelEntry kModels[] = {
    {"BertModel", "BERT encoder: MiniLM, bge-*-v1.5, e5, gte, mxbai, arctic-embed v1, …",
     &BertModel::traits, &BertModel::load},
    // Checkpoints with a head for pre-training, of which the encoder alone is used. Those with a
    // head that is served are rows of heads/recipe.cc.
    {"BertForPreTraining", "the encoder of a pre-trained model", &BertModel::traits,
     &BertModel::load},
    {"RobertaModel", "RoBERTa encoder: all-distilroberta, all-roberta-large, SimCSE, …",
     &RobertaModel::traits, &RobertaModel::load},
    {"XLMRobertaModel",
     "XLM-RoBERTa encoder, jina-embeddings-v3: multilingual-e5, bge-m3, arctic-embed-l-v2, …",
     &XlmRobertaModel::traits, &XlmRobertaModel::load},
    {"CamembertModel", "CamemBERT encoder: sentence-camembert, …", &RobertaModel::traits,
     &RobertaModel::load},
    {"DistilBertModel", "DistilBERT encoder: msmarco-distilbert, distiluse, …",
     &DistilBertModel::traits, &DistilBertModel::load},
    {"ElectraModel", "ELECTRA encoder: electra-small, -base, -large, ko-electra, …",
     &ElectraModel::traits, &ElectraModel::load},
    {"ElectraForPreTraining", "the encoder of a discriminator", &ElectraModel::traits,
     &ElectraModel::load},
    {"MPNetModel", "MPNet encoder: all-mpnet-base-v2, multi-qa-mpnet, …", &MPNetModel::traits,
     &MPNetModel::load},
    {"AlbertModel", "ALBERT encoder: paraphrase-albert, …", &AlbertModel::traits,
     &AlbertModel::load},
    {"AlbertForPreTraining", "the encoder of a pre-trained model", &AlbertModel::traits,
     &AlbertModel::load},
    {"DebertaV2Model", "DeBERTa-v2 and -v3 encoder: deberta-v3-small, -base, -large, mdeberta, …",
     &DebertaModel::traits, &DebertaModel::load},
    {"T5EncoderModel", "T5's encoder: sentence-t5, gtr-t5, instructor, …", &T5Encoder::traits,
     &T5Encoder::load},
    {"T5Model", "the encoder of T5", &T5Encoder::traits, &T5Encoder::load},
    {"CLIPTextModel", "CLIP's text encoder, at the end-of-text token", &ClipTextModel::traits,
     &ClipTextModel::load},
    {"CLIPTextModelWithProjection", "CLIP's text encoder, projected to where images are",
     &ClipProjectedTextModel::traits, &ClipProjectedTextModel::load},
    {"CLIPModel", "CLIP's text encoder, projected to where images are",
     &ClipProjectedTextModel::traits, &ClipProjectedTextModel::load},
    {"SiglipTextModel", "SigLIP's text encoder, every text padded to its length",
     &SiglipTextModel::traits, &SiglipTextModel::load},
    {"SiglipModel", "SigLIP's text encoder, every text padded to its length",
     &SiglipTextModel::traits, &SiglipTextModel::load},
    {"T5ForConditionalGeneration", "the encoder of T5", &T5Encoder::traits, &T5Encoder::load},
    {"ModernBertModel",
     "ModernBERT encoder: gte-modernbert, granite-embedding-r2, nomic-modernbert, …",
     &ModernBertModel::traits, &ModernBertModel::load},
    {"EuroBertModel", "EuroBERT encoder", &EuroBertModel::traits, &EuroBertModel::load},
    {"NewModel", "GTE encoder: gte-base-en-v1.5, gte-multilingual-base, …", &GteModel::traits,
     &GteModel::load},
    {"GteModel", "GTE encoder by transformers' name, arctic-embed-m-v2", &GteModel::traits,
     &GteModel::load},
    {"NomicBertModel", "NomicBERT encoder: nomic-embed-text-v1, v1.5, v2-moe, …",
     &NomicBertModel::traits, &NomicBertModel::load},
    {"NomicBertForMaskedLM", "the encoder of a masked language model", &NomicBertModel::traits,
     &NomicBertModel::load},
    {"JinaEmbeddingsV3Model", "jina-embeddings-v3 by transformers' name",
     &JinaEmbeddingsV3Model::traits, &JinaEmbeddingsV3Model::load},
    {"JinaBertModel", "JinaBERT encoder: jina-embeddings-v2", &JinaBertModel::traits,
     &JinaBertModel::load},
    {"JinaBertForMaskedLM", "the encoder of a masked language model", &JinaBertModel::traits,
     &JinaBertModel::load},
    decoder<DecoderConfig::of_llama>("LlamaModel", "Llama decoder: SmolLM, Llama 2, 3, …"),
    decoder<DecoderConfig::of_llama, kBidirectional>(
        "LlamaBidirectionalModel", "a Llama that sees everything: llama-nemotron-embed, …"),
    decoder<DecoderConfig::of_llama, kBidirectional>("LlamaEncoderModel", kOfBidirectional),
    decoder<DecoderConfig::of_llama, kBidirectional>("LlamaBiModel", kOfBidirectional),
    decoder<DecoderConfig::of_mistral>("MistralModel",
                                       "Mistral decoder: e5-mistral, SFR-Embedding, Linq, …"),
    decoder<DecoderConfig::of_mistral, kBidirectional>("MistralEncoderModel", kOfBidirectional),
    decoder<DecoderConfig::of_mistral, kBidirectional>("MistralBiModel", kOfBidirectional),
    decoder<DecoderConfig::of_qwen2>("Qwen2Model", "Qwen2 decoder: gte-Qwen2, mxbai-rerank-v2, …"),
    decoder<DecoderConfig::of_qwen2, kBidirectional>("Qwen2BiModel", kOfBidirectional),
    decoder<DecoderConfig::of_qwen3>("Qwen3Model",
                                     "Qwen3 decoder: Qwen3-Embedding, Qwen3-Reranker, …"),
    decoder<DecoderConfig::of_gemma>("GemmaModel", "Gemma decoder: bge-reranker-v2-gemma, …"),
    decoder<DecoderConfig::of_gemma, kBidirectional>("GemmaBiModel", kOfBidirectional),
    decoder<DecoderConfig::of_gemma2>("Gemma2Model", "Gemma 2 decoder: bge-multilingual-gemma2, …"),
    decoder<DecoderConfig::of_gemma3>("Gemma3TextModel", "Gemma 3's text decoder: EmbeddingGemma"),
    {"GPT2Model", "GPT-2 decoder", &Gpt2Model::traits, &Gpt2Model::load, kCausal},
    {"StaticEmbedding", "a table of token vectors: model2vec, StaticEmbedding, IDF query encoders",
     &StaticEmbeddingModel::traits, &StaticEmbeddingModel::load, std::nullopt, true},
};

}  // namespace

std::span<const ModelEntry> model_entries() { return kModels; }

const ModelEntry* find_model(std::string_view architecture) {
  for (const ModelEntry& entry : kModels) {
    if (entry.architecture == architecture) return &entry;
  }
  return nullptr;
}

}  // namespace wde::models
